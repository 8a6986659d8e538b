"""Names of files: what rotating and compressing put behind them."""

from __future__ import annotations

import re
from pathlib import Path

SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
"""Endings of compressed files, behind that of the table: `lake.csv.gz`."""
_ENDING = re.compile(r"\.(?P<number>\d{1,5})|[-.](?P<date>\d{4}-?\d\d-?\d\d[\d_T:.-]*)")
_ROTATED = re.compile(rf"(?P<base>.+?)(?:{_ENDING.pattern})")


def without_compression(name: str) -> str:
    """Name of a file before it was compressed: `lake.csv` of `lake.csv.gz`."""
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in SUFFIXES else name


def split_rotated(name: str, base: str | None = None) -> tuple[str, int | None, str]:
    """Name of a file before it was rotated and compressed, and the number or the digits of the date it got by that.

    `lake.csv.2.gz` gives `lake.csv`, 2 and no date, `lake.csv-20261128` gives `lake.csv`, None and `20261128`; a file
    that was not rotated gives None and no date. Where the former name is known, it is given as `base`.
    """
    plain = without_compression(name)
    if base is not None and not plain.startswith(base):
        return plain, None, ""
    found = _ROTATED.fullmatch(plain) if base is None else _ENDING.fullmatch(plain.removeprefix(base))
    if found is None:
        return plain, None, ""
    number, date = found["number"], found["date"]
    former = found["base"] if base is None else base
    return former, int(number) if number else None, re.sub(r"\D", "", date or "")
