"""Runs one command of the command line, and turns errors into messages and exit codes.

Nothing heavy is imported here: each command imports its module when it runs, so `--help`, `--version` and `check`
answer at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from sentinel.commands.arguments import parser
from sentinel.domain.errors import SentinelError

INTERRUPTED = 130
"""128 + SIGINT."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read our output has gone."""


def entry_point(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors with a message become one line per fault on standard error."""
    _prepare_streams()
    parsed = parser().parse_args(arguments)
    module, function = parsed.handler.split(":")
    try:
        handler: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
        code = handler(parsed)
        sys.stdout.flush()
    except SentinelError as error:
        for line in str(error).split("\n"):
            print(f"sentinel: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # What is still buffered has nowhere to go; without this the interpreter complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return BROKEN_PIPE
        print(f"sentinel: {error.filename or 'standard output'}: {error.strerror}; room is needed", file=sys.stderr)
        return SentinelError.exit_code
    return code


def run(args: argparse.Namespace) -> int:
    """Run the daemon; SIGTERM while its modules are still being imported is an orderly end, too."""
    # Nothing has begun that would have to be finished; the daemon puts a handler of its own in this one's place.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    code: int = import_module("sentinel.runtime.daemon").main(args)
    return code


def _prepare_streams() -> None:
    """Make printing safe: a closed stream swallows the text, a poor encoding gets escapes for letters it lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
