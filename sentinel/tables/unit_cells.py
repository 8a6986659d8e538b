"""Units that stand in the cells, `80,1 %` or `12.3 mg/L`: marks behind a number, where all of a column are the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, ROW, TableOptions
from sentinel.tables.decimals import texts_of

_SHOWN = 6
_BASES = (
    "mm|cm|km|µm|um|ft|mg|µg|ug|kg|ng|ml|mL|ms|min|hPa|kPa|MPa|Pa|bar|mbar|dbar|psi|mmHg|inHg|cmH2O|atm|mV|mA|kW|MW|Hz|"
    "kHz|mS|µS|uS|PSU|psu|ppt|ppm|ppb|NTU|FNU|FTU|RFU|lx|lux|mol|mmol|µmol|umol|nmol|cfs|kn|kts|mph|deg|dB|dBm|m3|m³|rpm"
)
_NUMBER = r"[-+\u2212]?\d[\d.,'\u00a0\u202f]*(?:[eE][+-]?\d+)?\s*"
_ANY = re.compile(rf"{_NUMBER}([^\d\s].*)")
_UNIT = re.compile(
    rf"{_NUMBER}(?P<unit>%(?:\s?[A-Za-z]{{1,3}})?|‰|[°º](?:\s?[CFK])?|(?:{_BASES}|[mgVWlL](?=\s?/))[23²³]?"
    rf"(?:\s?/\s?[A-Za-zµ]{{1,5}}[23²³]?){{0,2}})"
)
"""A number and a unit. Single letters are none: they may be flags."""


def find_unit_cells(head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str) -> TableOptions:
    """Take the unit behind the first number of each column as a mark that does not change it.

    Raises DataError: the numbers of a column have several units.
    """
    taken = {*options.time_columns, options.time_name, *options.by, ROW, MORE}
    found: dict[str, None] = {}
    columns = [name for name in names if name not in taken and head[name].dtype == pl.String]
    for name in columns:
        texts = texts_of(head[name], options)
        first = _UNIT.fullmatch(texts[0]) if texts.len() else None
        if first is None or first["unit"] in options.trailing:
            continue
        units = list(dict.fromkeys(unit[1] for text in texts if (unit := _ANY.fullmatch(text))))
        if len(units) > 1:
            shown = ", ".join(map(repr, units[:_SHOWN]))
            raise DataError(
                f"{where}: the numbers of column {name!r} end in {shown}; where these are units, convert them to one"
            )
        found[first["unit"]] = None
    return replace(options, trailing=(*options.trailing, *found)) if found else options
