"""Options of a table from where they are written: a csv source, a command line, keyword arguments."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sentinel.config import CsvSource, TableKeys
from sentinel.domain.errors import UsageError
from sentinel.tables.cells import ASKED_UTC, TableOptions

NAMES = tuple(field.name for field in fields(TableOptions))
LISTS = ("by", "columns", "exclude", "fill_down", "flags", "missing", "names", "trailing", "transform")


def options_of(settings: TableKeys) -> TableOptions:
    """Take the options of its tables out of the settings of a source; UTC that was asked for is no default."""
    options = TableOptions(**{name: getattr(settings, name) for name in NAMES if hasattr(settings, name)})
    asked = "time_zone" in settings.model_fields_set and options.dialect != "none"
    return replace(options, time_zone=ASKED_UTC) if asked and options.time_zone == "UTC" else options


def options_from(given: Mapping[str, Any], flag: str = "--{}") -> TableOptions:
    """Check options by the rules of a csv source; UsageError names one by `flag`. Marks are added to the usual ones."""
    known = {name: value for name, value in given.items() if value is not None and value not in ((), [])}
    for name in LISTS:
        if name in known:
            known[name] = (known[name],) if isinstance(known[name], str) else tuple(known[name])
    if "time_column" in known and not isinstance(known["time_column"], str):
        names = tuple(known["time_column"])
        known["time_column"] = names[0] if len(names) == 1 else names
    if known.get("comment") == "none":
        known["comment"] = None
    if "missing" in known:
        known["missing"] = (*TableOptions().missing, *known["missing"])
    for name in known:
        if name not in NAMES:
            raise UsageError(f"{flag.format(name)}: unknown; options of a table are {', '.join(NAMES)}")
    try:
        return options_of(CsvSource.model_validate({"kind": "csv", "name": "table", "path": "table"} | known))
    except ValueError as error:
        raise UsageError(_explain(error, known, flag)) from error


def command_line(options: TableOptions, given: TableOptions | None = None) -> str:
    """Write the options that differ from those given, or from the defaults, as a command line takes them."""
    given = given or TableOptions()
    words: list[str] = []
    for name in NAMES:
        value, own = getattr(options, name), getattr(given, name)
        flag = "--" + name.replace("_", "-")
        if value is True and not own:
            words.append(flag)
        if value == own or isinstance(value, bool):
            continue
        several = value if isinstance(value, tuple) else (value,)
        new = [one for one in several if name == "time_column" or not isinstance(own, tuple) or one not in own]
        for one in new:
            text = {None: "none", "\t": r"'\t'"}.get(one) or shlex.quote(str(one))
            # What begins with a dash would be taken for an option.
            words.append(f"{flag}={text}" if text.startswith("-") else f"{flag} {text}")
    return " ".join(words)


def settings_of(options: TableOptions) -> dict[str, Any]:
    """Write the options that differ from the defaults as the settings of a csv source."""
    default = TableOptions()
    changed = {name: getattr(options, name) for name in NAMES if getattr(options, name) != getattr(default, name)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


def _explain(error: ValueError, known: Mapping[str, Any], flag: str) -> str:
    """Name the option that is at fault, and what is allowed."""
    first: Any = error.errors()[0] if hasattr(error, "errors") else {"loc": (), "msg": str(error)}
    name = next((part for part in first["loc"] if part in known), None)
    message = str(first["msg"]).removeprefix("Value error, ")
    if name is None:
        return message
    option = flag.format(str(name).replace("_", "-") if flag.startswith("--") else name)
    came = "" if name in LISTS else f" {known[name]}"
    return f"{option}{came}: {message}"
