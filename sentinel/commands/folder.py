"""The commands on a state folder and their options: `sentinel series ...` and `sentinel state ...`."""

from __future__ import annotations

import argparse
from typing import Any, Protocol

from sentinel.domain.acting import Action
from sentinel.domain.gates import DEFAULT_GATES
from sentinel.domain.labels import pattern_of

_STATE = "state folder; the daemon may run"


class MakeCommand(Protocol):
    """Makes the parser of one command among others; see `commands/main.py`."""

    def __call__(self, name: str, handler: str, text: str, example: str, among: Any = ...) -> argparse.ArgumentParser:
        """Add a command of that name to `among`."""


def add_commands(commands: Any, command: MakeCommand) -> None:
    """Add both groups of commands."""
    text = "lead an artificial series to an alarm through the daemon that runs, and say whether each link held"
    _folder(command("drill", "drill:main", text, "--state state"), json=True)
    series = _group(commands, "series", "look at series, acknowledge their alarms, retire, rename or forget them")
    each = command("series list", "series:list_main", "list all series, in alarm first", "--state state", series)
    text = """only those that fit: 'lake/*', or labels: '{site="north"}' [all]"""
    each.add_argument("--match", type=_pattern, metavar="PATTERN", help=text)
    _folder(each, json=True)
    each = command("series show", "series:show_main", "show a series, its rules and alarms", "ph --state state", series)
    each.add_argument("series", metavar="SERIES", help="its name")
    _folder(each, json=True)
    text = "say that an alarm has been seen; it stays open and says so"
    example = "lake/ph --state state --note 'probe cleaned'"
    each = command("series acknowledge", "series:acknowledge_main", text, example, series)
    words = "id of an alarm, its first letters, or a series: all its open alarms"
    each.add_argument("alarm", metavar="ALARM", help=words)
    _folder(each)
    _who(each)
    retire = "take a series out of alerts, page and metrics, and end its open alarms"
    rename = "give a series another name, with all that was learnt, its open alarms and its history"
    forget = "drop what was learnt of a series; what its source sends begins a new one"
    for name, action, text, example in (
        ("retire", Action.RETIRED, retire, "lake/ph --state state"),
        ("rename", Action.RENAMED, rename, """peter/ph 'ph{lake="peter"}' --state state"""),
        ("forget", Action.FORGOTTEN, forget, "lake/ph --state state"),
    ):
        each = command(f"series {name}", "series:act_main", text, example, series)
        each.set_defaults(action=action)
        each.add_argument("series", metavar="SERIES", help="its name")
        if action == Action.RENAMED:
            each.add_argument("name", metavar="NAME", help="its new one, with labels if it has any")
        _folder(each)
        if action == Action.RETIRED:
            undo = "take it back: it starts afresh"
            each.add_argument("--undo", action="store_const", dest="action", const=Action.TAKEN_BACK, help=undo)
        _who(each)
    text = "close the input gate for a time: nothing is judged and nothing forgotten"
    each = _gate(command("series hold", "series:declare_main", text, "'lake/*' --for 2h --state state", series), "hold")
    each.add_argument("--for", dest="length", metavar="SPAN", help="how long, such as 2h")
    each.add_argument("--lift", action="store_true", help="end the hold whose id is given in place of a name")
    text = "let everything that is known of series begin anew"
    _gate(command("series reset", "series:declare_main", text, "lake/ph --state state", series), "reset")
    text = "let level and evidence begin anew; scale, season and past spread stay"
    _gate(command("series rebase", "series:declare_main", text, "lake/ph --state state", series), "rebase")

    state = _group(commands, "state", "look into a state folder, check it, copy it")
    text = "say what is in a state folder"
    _folder(command("state inspect", "state:inspect_main", text, "--state state", state), json=True)
    text = "check that journal and checkpoints can be read and lead to the same state"
    _folder(command("state verify", "state:verify_main", text, "--state state", state))
    text = "copy a state folder as it is at one moment; the daemon may run"
    each = command("state export", "state:copy_main", text, "--state state --out backup", state)
    each.add_argument("--state", dest="source", required=True, metavar="DIR", help=_STATE)
    words = "folder of the copy, without a journal yet"
    each.add_argument("--out", dest="target", required=True, metavar="DIR", help=words)
    text = "put a copy into a state folder that has no journal yet"
    each = command("state import", "state:copy_main", text, "--state state --from backup", state)
    words = "state folder, of no daemon that runs"
    each.add_argument("--state", dest="target", required=True, metavar="DIR", help=words)
    each.add_argument("--from", dest="source", required=True, metavar="DIR", help="folder of the copy")


def _pattern(text: str) -> str:
    try:
        return pattern_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def _gate(parser: argparse.ArgumentParser, gate: str) -> argparse.ArgumentParser:
    kind = {"hold": "maintenance", "reset": "intervention", "rebase": "calibration"}[gate]
    parser.set_defaults(gate=gate)
    parser.add_argument("series", metavar="SERIES", help="its name, or a pattern with * ? [abc]")
    parser.add_argument("--start", metavar="TIME", help="event time, such as 2026-05-04T08:00 in UTC [now]")
    parser.add_argument("--kind", choices=tuple(DEFAULT_GATES), default=kind, help="what happened [%(default)s]")
    _folder(parser)
    _who(parser)
    return parser


def _who(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--note", default="", metavar="TEXT", help="why, or what is known [nothing]")
    parser.add_argument("--by", metavar="NAME", help="who does it [the user who runs this]")


def _group(commands: Any, name: str, text: str) -> Any:
    group = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return group.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _folder(parser: argparse.ArgumentParser, *, json: bool = False) -> None:
    parser.add_argument("--state", required=True, metavar="DIR", help=_STATE)
    if json:
        parser.add_argument("--json", action="store_true", help="for programs")
