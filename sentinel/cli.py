"""The command line: what can be asked, and how an error leaves.

Nothing heavy is imported here: each command imports its module when it runs, so `--help`, `--version` and `check`
answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from sentinel import __version__
from sentinel.errors import SentinelError, UsageError

INTERRUPTED = 130
"""128 + SIGINT."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read our output has gone."""

_EPILOG = """exit codes: 0 done, 1 failure, 2 usage, 65 bad input data, 73 state folder not usable,
75 something needed is down, 78 bad configuration"""


def entry_point(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors with a message become one line per fault on standard error."""
    parsed = _parser().parse_args(arguments)
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
    except BrokenPipeError:
        # What is still buffered has nowhere to go; without this the interpreter complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose faults are one line, as all others are, in place of the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Say it on standard error, and where more is to be read; exit code 2."""
        line = " ".join(f"sentinel: {message}; see '{self.prog} --help'".splitlines())
        self.exit(UsageError.exit_code, f"{line}\n")

    def parse_known_args(self, *arguments: Any) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """Refuse what is not known here: the parser of all commands would point to the wrong help."""
        parsed, unknown = super().parse_known_args(*arguments)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sentinel",
        description="Watches time series and warns, with a stated false-alarm budget, that one of them is losing "
        "resilience.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"sentinel {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, handler: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_EPILOG)
        made.set_defaults(handler=handler)
        return made

    _run_and_check(command)
    _demo(command)
    _backtest_and_plot(command)
    _replay(command)
    command("schema", "sentinel.check:print_schema", "print the JSON Schema of configuration files")
    command("doctor", "sentinel.doctor:main", "say what this machine has and lacks")
    return parser


_Command = Callable[[str, str, str], argparse.ArgumentParser]


def _run_and_check(command: _Command) -> None:
    run = command("run", "sentinel.daemon:main", "watch the configured sources until stopped")
    run.add_argument("config", metavar="CONFIG", help="YAML file, or a folder of *.yaml")
    check = command("check", "sentinel.check:main", "check a configuration and say in words what it means")
    check.add_argument("config", metavar="CONFIG", help="YAML file, or a folder of *.yaml; with --probe also a table")
    check.add_argument(
        "--probe",
        action="store_const",
        dest="handler",
        const="sentinel.probe:main",
        help="read the sources, or the table CONFIG, once and propose cadence and seasons",
    )
    _table(check)


def _demo(command: _Command) -> None:
    demo = command("demo", "sentinel.demo:main", "show the daemon at work on simulated lakes and two real series")
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="another lake [%(default)s]")
    demo.add_argument("--headless", action="store_true", help="the summary only; exit code 1 if it went wrong")
    demo.add_argument("--linger", type=float, default=0.0, metavar="SECONDS", help="keep serving after the end [0]")
    demo.add_argument(
        "--keep", metavar="DIR", help="keep the state and the picture in DIR [state: nowhere; picture: here]"
    )


def _backtest_and_plot(command: _Command) -> None:
    backtest = command("backtest", "sentinel.backtest:main", "analyse recorded series as if they came in live")
    _input(backtest)
    backtest.add_argument("--out", required=True, metavar="DIR", help="folder of the results; made if needed")
    backtest.add_argument("--quiet", action="store_true", help="no progress, no summary")
    backtest.add_argument(
        "--events", metavar="FILE", help="what happened: columns series, time, kind (transition, start, end, control)"
    )
    backtest.add_argument("--sweep", action="store_true", help="also under half and double the half-lives")
    plot = command("plot", "sentinel.backtest:plot_main", "draw the stability spectrogram of one series")
    _input(plot)
    plot.add_argument("--series", metavar="NAME", help="which series [the first]")
    plot.add_argument("--out", required=True, metavar="FILE", help="picture to write, *.png or *.svg")


def _input(parser: argparse.ArgumentParser) -> None:
    """What is analysed and how, the same for `backtest` and `plot`."""
    parser.add_argument("input", nargs="+", metavar="INPUT", help="CSV, Parquet or NDJSON, long or wide")
    parser.add_argument("--config", metavar="FILE", help="settings: series, banks, alarms")
    _table(parser)
    parser.add_argument(
        "--conditioning",
        choices=("full", "none"),
        default="full",
        help="none takes the values as residuals already [%(default)s]",
    )
    parser.add_argument("--cadence", type=_cadence, metavar="SPAN", help="15m, 1d, 1mo [from the first 50 times]")
    parser.add_argument(
        "--season", type=_season, action="append", default=[], metavar="SPAN", help="known period, such as 1d or 1y"
    )


def _table(parser: argparse.ArgumentParser) -> None:
    """How a table is written."""
    parser.add_argument("--by", action="append", default=[], metavar="COLUMN", help="column that splits the table")
    parser.add_argument("--time-column", metavar="COLUMN", help="column of the event times [time]")
    parser.add_argument("--series-column", metavar="COLUMN", help="long tables: column of the names [series]")
    parser.add_argument("--value-column", metavar="COLUMN", help="long tables: column of the values [value]")
    parser.add_argument("--separator", type=_separator, metavar="CHAR", help="between the columns of a CSV [,]")
    parser.add_argument("--decimal", choices=[".", ","], help="decimal mark [.]")
    parser.add_argument("--encoding", metavar="NAME", help="text encoding [utf-8]")
    parser.add_argument("--time-format", metavar="FORM", help="strftime form of the times [ISO 8601]")
    parser.add_argument("--time-zone", type=_time_zone, metavar="ZONE", help="zone of times without an offset [UTC]")


def _replay(command: _Command) -> None:
    replay = command("replay", "sentinel.replay:main", "run a journal through the pipeline again")
    replay.add_argument("--state", required=True, metavar="DIR", help="state folder of a stopped daemon, or a copy")
    replay.add_argument("--config", metavar="FILE", help="other settings than those in the journal")
    replay.add_argument("--out", required=True, metavar="DIR", help="folder of the results; made if needed")


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"'{text}'; a whole number from 0 is allowed")
    return int(text)


def _cadence(text: str) -> str:
    from sentinel.configuration import Cadence

    return _checked(text, Cadence.parse)


def _season(text: str) -> str:
    from sentinel.configuration import parse_season

    return _checked(text, parse_season)


def _time_zone(text: str) -> str:
    from sentinel.configuration.sources import known_time_zone

    return _checked(text, known_time_zone)


def _separator(text: str) -> str:
    if len(text) != 1 or not text.isascii():
        raise argparse.ArgumentTypeError(f"'{text}'; one ASCII character is allowed, a tab itself for tabs")
    return text


def _checked(text: str, parse: Callable[[str], object]) -> str:
    """Text that parses, as text: a fault is a fault of usage here, the value is the command's."""
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}'; {error}") from None
    return text
