"""A kind of file that is known by its first lines: its name, what it is, and the options that read it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Patch: TypeAlias = Mapping[str, Any]
"""Options of a table by name."""


class UnfinishedError(Exception):
    """The file is of this kind, but has too few lines yet to say how it is read."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of file."""

    name: str
    what: str
    """A description of the file in a few words."""
    recognise: Callable[[Sequence[str]], Patch | None]
    """Its first lines to the options that read it; None = it is of another kind. UnfinishedError: not told yet."""
    good: str = ""
    """Its flag columns and their codes that mean good by its documentation, as `flags` has them; empty = none known."""
    local: str = ""
    """A sentence on its times, where they are those of a zone that the file does not name."""


def split(line: str, separator: str = ",") -> list[str]:
    """Split a line into its fields, without quotes and blanks around them."""
    if separator == "whitespace":
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return [line]


def is_number(text: str) -> bool:
    """True for a number in any of the usual spellings."""
    return re.fullmatch(r"[-+\u2212\u2013]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?", text.strip()) is not None


def present(names: Sequence[str], *wanted: str) -> tuple[str, ...]:
    """Those of the wanted names that there are, whatever their case; a `*` at the end stands for any text."""
    found = []
    for one in wanted:
        start = one.removesuffix("*").lower()
        found += [n for n in names if (n.lower().startswith(start) if one.endswith("*") else n.lower() == start)]
    return tuple(dict.fromkeys(found))
