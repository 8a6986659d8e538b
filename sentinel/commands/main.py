"""The command line: its commands and options, how one of them is run, and errors as messages and exit codes.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sentinel import __version__
from sentinel.domain.errors import SentinelError, UsageError

if TYPE_CHECKING:
    from sentinel.tables import TableOptions

_EXIT_CODES = """exit codes: 0 done, 1 failure, 2 usage, 65 bad input data,
  73 state folder not usable, 75 something needed is missing for now,
  78 bad configuration"""
_COMPILING = ("backtest", "cite", "demo", "doctor", "explain", "inspect", "main", "probe", "replay", "series", "state")
"""Modules of the commands that import kernels, for which the compiler needs a folder; `main` is that of the daemon."""
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
        if module.rpartition(".")[2] in _COMPILING:
            import_module("sentinel.commands.kernel_cache").find_folder()
        handler: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
        code = handler(parsed)
        sys.stdout.flush()
    except SentinelError as error:
        for line in import_module("sentinel.config.secrets").hide_queries(str(error)).split("\n"):
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
    code: int = import_module("sentinel.runtime.daemon").main(
        args, lambda folder, alarm: import_module("sentinel.commands.explain").explanation(folder, alarm)
    )
    return code


def _prepare_streams() -> None:
    """Make printing safe: a closed stream swallows the text, a poor encoding gets escapes for letters it lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Parser(argparse.ArgumentParser):
    """A parser that reports a fault in one line, like all other faults, instead of printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Report a fault on standard error, with where to read more; exit code 2."""
        line = " ".join(f"sentinel: {message}; see '{self.prog} --help'".splitlines())
        self.exit(UsageError.exit_code, f"{line}\n")

    def parse_known_args(self, *arguments: Any) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """Refuse unknown arguments here: the parser of all commands would point to the wrong help."""
        parsed, unknown = super().parse_known_args(*arguments)
        if "" in (arguments[0] or ()):
            self.error("an empty argument, as an unset variable leaves it; a value is needed")
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands; what it gives has `handler`, the function to run as `module:name`."""
    made = _Parser(
        prog="sentinel",
        description="Watches time series and warns, with a stated false-alarm budget, that one of\n"
        "them is losing resilience: that it recovers ever more slowly from small knocks.",
        epilog=f"example:\n  sentinel demo\n\nmore on a command: sentinel COMMAND --help\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"sentinel {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, handler: str, text: str, example: str, among: Any = commands) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = among.add_parser(
            name.rpartition(" ")[2], help=text, description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  sentinel {name} {example}".rstrip() + f"\n\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        one.set_defaults(handler=f"sentinel.commands.{handler}")
        return one

    demo = command("demo", "demo:main", "show the daemon at work on simulated lakes and two real series", "--keep demo")
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="seed of the lakes' noise [%(default)s]")
    demo.add_argument("--headless", action="store_true", help="summary only, and faster; exit code 1 if it went wrong")
    text = "keep serving the page after the end [0]"
    demo.add_argument("--linger", type=_seconds, default=0.0, metavar="SECONDS", help=text)
    demo.add_argument("--keep", metavar="DIR", help="keep state and picture in DIR [picture: here, state: not kept]")

    text = "analyse recorded series as if they came in live"
    backtest = command("backtest", "backtest:main", text, "lake.csv --season 1d --out result")
    _input(backtest)
    backtest.add_argument("--out", required=True, metavar="DIR", help="folder of the results; made if needed")
    backtest.add_argument("--quiet", action="store_true", help="no progress, no summary")
    text = "judge the alarms by what happened: a table with the columns series, time and kind "
    backtest.add_argument("--events", metavar="FILE", help=f"{text}(transition, start, end, control)")
    text = "declared events that hold series or let them begin anew: series, start, end, kind, gate, note"
    backtest.add_argument("--events-file", metavar="FILE", help=text)
    backtest.add_argument(
        "--sweep", action="store_true", help="also try other thresholds, budgets, scales and half-lives"
    )
    text = "put a transition into the second half of each series, and say whether it is seen; take quiet data"
    backtest.add_argument("--inject", choices=("fold",), help=text)
    text = "exit code 1 unless all hold: 'detected >= 0.9, lead >= 0.2, false_alarms <= budget'"
    backtest.add_argument("--gate", metavar="CONDITIONS", help=text)

    text = "also write readings.csv: a row per series and tick"
    backtest.add_argument("--readings", choices=("csv",), help=text)
    text = "also write a file for each picture into DIR/pictures"
    backtest.add_argument("--picture", choices=("pdf", "svg", "png"), help=text)
    _look(backtest)

    text = "say how files are read and what is in them; print the options and settings that read them so"
    inspect = command("inspect", "inspect:main", text, "lake.csv")
    inspect.add_argument("input", nargs="+", metavar="FILE", help="CSV, Parquet, NDJSON, .xlsx or NetCDF file")
    _spans(inspect)
    _table(inspect, "how the tables are written, where it is not recognised")

    text = "draw the stability spectrogram of one series"
    plot = command("plot", "backtest:plot_main", text, "lake.csv --series ph --out ph.png")
    _input(plot)
    plot.add_argument("--series", metavar="NAME", help="which series [the first]")
    plot.add_argument("--out", required=True, metavar="FILE", help="picture to write, *.pdf, *.svg or *.png")
    _look(plot)

    cite = command("cite", "cite:main", "print how to cite sentinel", "--methods --cadence 1d --season 1y")
    cite.add_argument("--bibtex", action="store_true", help="as an entry of BibTeX")
    text = "the methods paragraph for an analysis with these settings, and its references"
    cite.add_argument("--methods", action="store_true", help=text)
    text = "whose settings, where they differ [any without an entry of its own]"
    cite.add_argument("--series", default="series", metavar="NAME", help=text)
    _settings(cite)

    run = command("run", "main:run", "watch the configured sources until stopped", "sentinel.yaml")
    run.add_argument("config", metavar="CONFIG", help="YAML file, or a folder of *.yaml")
    check = command("check", "check:main", "check a configuration and say in words what it means", "sentinel.yaml")
    check.add_argument("config", metavar="CONFIG", help="YAML file, or a folder of *.yaml; with --probe also a table")
    text = "read the sources, or the table CONFIG, once and propose cadence and seasons"
    handler = "sentinel.commands.probe:main"
    check.add_argument("--probe", action="store_const", dest="handler", const=handler, help=text)
    text = "compile what the configuration needs, so that the first start need not"
    check.add_argument("--compile", action="store_true", help=text)
    _table(check, "how the table is written (with --probe)")

    text = "say what an alarm claimed, against what, what else looks like it, and its receipt"
    explain = command("explain", "explain:main", text, "lake/loaded --state state")
    words = "id of an alarm, its first letters, or a series [list all alarms]"
    explain.add_argument("alarm", nargs="?", metavar="ALARM", help=words)
    folder = explain.add_mutually_exclusive_group(required=True)
    folder.add_argument("--state", metavar="DIR", help="state folder; the daemon may run")
    folder.add_argument("--backtest", metavar="DIR", help="folder that `sentinel backtest` wrote")
    explain.add_argument("--as-of", metavar="TIME", help="only what was known then, such as 2026-07-25T12:00 [now]")
    explain.add_argument("--json", action="store_true", help="for programs")

    text = "run the journal of a daemon through the pipeline again, whole or for one alarm"
    replay = command("replay", "replay:main", text, "--state state --out again")
    words = "reproduce the number of this alarm, or of the one in a bundle, and say whether it is the same"
    replay.add_argument("alarm", nargs="?", metavar="ALARM_OR_FILE", help=f"{words} [the whole journal]")
    replay.add_argument("--state", metavar="DIR", help="state folder; the daemon may run; not with a bundle")
    text = "write all that the number follows from into one file, which `sentinel replay FILE` reads anywhere"
    replay.add_argument("--bundle", metavar="FILE", help=text)
    replay.add_argument("--config", metavar="FILE", help="settings to replay under [those in the journal]")
    replay.add_argument("--out", metavar="DIR", help="folder of the results; made if needed; not with ALARM")
    text = "say which alarms stand, with the values that corrected the first ones"
    replay.add_argument("--corrected", action="store_true", help=text)

    import_module("sentinel.commands.folder").add_commands(commands, command)
    text = "print the observations in the journal of a daemon as CSV, in the order in which they came"
    journal = command("journal", "journal:main", text, "show --state state --series lake/ph")
    journal.add_argument("what", choices=("show",), help="show: print them")
    journal.add_argument("--state", required=True, metavar="DIR", help="state folder; the daemon may run")
    journal.add_argument("--series", metavar="NAME", help="those of one series [all]")
    text = "other values that came later for times that had one, with when they came"
    journal.add_argument("--corrections", action="store_true", help=text)

    command("schema", "check:print_schema", "print the JSON Schema of configuration files", "> schema.json")
    doctor = command("doctor", "doctor:main", "say what this machine has and lacks", "--load 1000 10000")
    text = "measure what N series at one observation a minute cost here, instead; with several N, how it grows"
    doctor.add_argument("--load", nargs="+", type=_count, metavar="N", help=text)
    doctor.add_argument("--ticks", type=_count, default=10, metavar="N", help="minutes that --load plays [%(default)s]")
    return made


def _input(parser: argparse.ArgumentParser) -> None:
    """Add what is analysed and how, the same for `backtest` and `plot`."""
    parser.add_argument("input", nargs="+", metavar="INPUT", help="CSV, Parquet, NDJSON, .xlsx or NetCDF file")
    _settings(parser)
    _table(parser, "how the tables are written")


def _look(parser: argparse.ArgumentParser) -> None:
    look = parser.add_argument_group("how pictures look as files")
    look.add_argument("--size", type=_size, metavar="WxH", help="width and height in inches, 7x5 [9.6x8.8]")
    look.add_argument("--font-size", type=float, metavar="POINTS", help="size of most words [8.5]")
    look.add_argument("--title", metavar="TEXT", help="'' = none [name of the series]")
    text = "name of an axis: value=pH; threshold, evidence ... ; may be repeated"
    look.add_argument("--label", type=_label, action="append", default=[], metavar="AXIS=TEXT", help=text)


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="YAML file with series, banks, alarms [defaults]")
    _spans(parser)
    text = "known period to take out, such as 1d or 1y; may be repeated [none]"
    parser.add_argument("--season", type=_season, action="append", default=[], metavar="SPAN", help=text)
    text = "full takes out level, trend and season; none takes the values as residuals already [%(default)s]"
    parser.add_argument("--conditioning", choices=("full", "none"), default="full", help=text)


def _spans(parser: argparse.ArgumentParser) -> None:
    """Add what a tick is, and what several values in one become."""
    parser.add_argument("--cadence", type=_cadence, metavar="SPAN", help="15m, 1d, 1mo [from the first 50 times]")
    text = "what several values in one tick become [last]"
    parser.add_argument("--aggregate", choices=("last", "mean"), help=text)
    text = "values are rounded to its multiples, where digits are written that the instrument has not [as they came]"
    parser.add_argument("--resolution", type=float, metavar="NUMBER", help=text)


def _table(parser: argparse.ArgumentParser, title: str) -> None:
    table = parser.add_argument_group(title)
    each = {"action": "append", "default": []}
    names: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("dialect", "NAME", "kind of file, such as toa5; none = the options alone say it [by the first lines]", {}),
        ("format", "NAME", "csv, parquet, ndjson, json, xlsx, xle or netcdf [by the file's ending]", {}),
        ("layout", "NAME", "long, wide, or months: a row for each year [by the columns]", {}),
        ("sheet", "NAME", "sheet of a spreadsheet [the first that is not empty]", {}),
        ("by", "COLUMN", "column that tells series apart: --by lake gives paul/ph; may be repeated [none]", each),
        ("time-column", "COLUMN", "column of the event times; several are joined [time]", each),
        ("series-column", "COLUMN", "long tables: column of the series' names [series]", {}),
        ("value-column", "COLUMN", "long tables: column of the values [value]", {}),
        ("columns", "COLUMN", "wide tables: a column that is a series; may be repeated [all numbers]", each),
        ("exclude", "COLUMN", "wide tables: a column that is none, * = any text; may be repeated [none]", each),
        ("time-format", "FORM", "'%%d.%%m.%%Y', seconds, milliseconds, excel, julian, years ... [ISO 8601]", {}),
        ("time-zone", "ZONE", "zone of times without an offset [UTC]", {"type": _time_zone}),
        ("time-direction", "WAY", "of times that are numbers: forward, or backward for ages", {}),
        ("separator", "CHAR", "between the columns of a CSV; \\t, or whitespace [,]", {"type": _separator}),
        ("decimal", "MARK", "decimal mark, . or , [.]", {"choices": [".", ","]}),
        ("thousands", "MARK", "mark between groups of three digits [none]", {}),
        ("encoding", "NAME", "text encoding, such as latin-1 [utf-8]", {}),
        ("comment", "TEXT", "lines that begin with this are skipped; none = none are [#]", {}),
        ("names", "NAME", "a column of a table without a line of names, in order; may be repeated", each),
        ("skip-rows", "N", "lines before the header [0]", {"type": int}),
        ("unit-rows", "N", "lines of units between the header and the rows [0]", {"type": int}),
        ("fill-down", "COLUMN", "a row without these takes those of the row above; may be repeated [none]", each),
        ("missing", "MARK", "text or number that means no value, ph=99 for one column; may be repeated", each),
        ("below-detection", "RULE", "what <0.5 means: half, limit or missing [not a number]", {}),
        ("trailing", "MARK", "mark behind a number that does not change it: * of 7.00*; may be repeated [none]", each),
        ("flags", "FLAGS", "flag columns and good codes: '*_qual=0,1', '*_qc=qartod'; may be repeated", each),
        ("transform", "HOW", "rain=difference, chl=log; may be repeated [none]", each),
    )
    for name, metavar, text, more in names:
        table.add_argument(f"--{name}", metavar=metavar, help=text, **more)
    kept = """columns of --by become labels: ph{lake="paul"} in place of paul/ph"""
    table.add_argument("--keep-labels", action="store_const", const=True, help=kept)


def table_options(arguments: argparse.Namespace) -> TableOptions:
    """Give how a table is written, as the command line says."""
    from sentinel.tables.options import NAMES, options_from

    given = {name: getattr(arguments, name, None) for name in NAMES}
    # Of `--missing=--` argparse makes an empty list.
    given["missing"] = [mark if mark != [] else "--" for mark in given["missing"] or ()]
    return options_from(given)


def folder_for(out: Path, option: str = "--out") -> Path:
    """Make the folder if needed; UsageError if there is a file of that name, SentinelError if it cannot be made."""
    with writing(out):
        try:
            out.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError(f"{option} {out}: there is a file of that name; a folder is needed") from error
    return out


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn an OSError into a SentinelError that names what could not be written."""
    try:
        yield
    except OSError as error:
        raise SentinelError(f"{target}: {error.strerror or error}; it must be writable, with enough room") from error


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"'{text}'; a whole number from 0 is allowed")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError(f"'{text}'; a whole number from 1 to 10000000 is needed")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}'; a number of seconds from 0 is allowed")
    return seconds


def _size(text: str) -> tuple[float, float]:
    try:
        width, height = (float(one) for one in text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}'; width and height in inches are allowed, such as 7x5") from None
    return width, height


def _label(text: str) -> tuple[str, str]:
    name, equals, words = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}'; an axis and its name are allowed, such as value=pH")
    return name, words


def _parsed_by(module: str, name: str) -> Callable[[str], str]:
    """Make the type of an option: a text that `name` of a module, imported when the option is given, parses.

    A text that does not parse is a fault of usage; the command parses it again.
    """

    def check(text: str) -> str:
        try:
            attrgetter(name)(import_module(module))(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}'; {error}") from None
        return text

    return check


_cadence = _parsed_by("sentinel.domain.spans", "Cadence.parse")
_season = _parsed_by("sentinel.domain.spans", "parse_season")
_time_zone = _parsed_by("sentinel.config", "known_time_zone")
_separator = _parsed_by("sentinel.config", "known_separator")
