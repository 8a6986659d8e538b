"""A shell in which the commands of a page are typed, one after the other, in a network of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.programs import program
from tests.e2e.running import START_SECONDS, wait_for
from tests.meta.printed import ROOT

MARK = "\x1e"
"""Stands around the exit code; no program prints it."""


class Shell:
    """Bash in a folder that looks like a clone with an environment, where port 9814 is free."""

    def __init__(self, folder: Path) -> None:
        for name in ("config", "deploy", "docs", "detectors", "sentinel", "tests", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / ".curlrc").write_text("fail\n")  # an answer such as 404 is a failure
        self._output = folder.with_suffix(".output")
        for name in ("curl", "ip"):
            program(name)  # skips where it is absent
        path = f"{folder}/.venv/bin:{os.environ['PATH']}"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [program("unshare"), "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "bash", "--norc"],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, cwd=folder,
                env={**os.environ, "PATH": path, "COLUMNS": "120", "CURL_HOME": str(folder)},
            )  # fmt: skip
        code, said = self.run("ip link set lo up")
        assert code == 0, said

    def run(self, command: str) -> tuple[int, str]:
        """Type a command; its exit code and what it has printed on both streams."""
        assert self._process.stdin is not None
        before = self._output.stat().st_size
        typed = f"{{ {command}\n}} < /dev/null\nprintf '{MARK}%s{MARK}' $?\n"
        self._process.stdin.write(typed.encode())
        self._process.stdin.flush()

        def said() -> list[str]:
            assert self._process.poll() is None, self._output.read_text()
            parts = self._output.read_bytes()[before:].decode().split(MARK)
            return parts if len(parts) == 3 else []

        output, code, _ = wait_for(said, START_SECONDS, command)
        return int(code), output

    def close(self) -> None:
        """End the shell, and with it whatever it has started."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """Make a shell, and end it at the end of the block."""
    made = Shell(folder)
    try:
        yield made
    finally:
        made.close()
