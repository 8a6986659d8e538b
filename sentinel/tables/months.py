"""Tables with a row for each year and a column for each month, as R prints them and climate indices are published."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from sentinel.tables.cells import MORE, ROW, TableOptions

NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS = (
    "jan|january|januar|jänner|janvier|janv|enero|ene", "feb|february|februar|febr|février|fevrier|févr|fév|febrero",
    "mar|march|märz|mär|mrz|mars|marzo", "apr|april|avril|avr|abril|abr", "may|mai|mayo", "jun|june|juni|juin|junio",
    "jul|july|juli|juillet|juil|julio", "aug|august|août|aout|agosto|ago", "sep|september|sept|septembre|septiembre",
    "oct|october|oktober|okt|octobre|octubre", "nov|november|novembre|noviembre",
    "dec|december|dezember|dez|décembre|déc|diciembre|dic",
)  # fmt: skip
MONTHS = {word: n for n, words in enumerate(_WORDS, 1) for word in words.split("|")}
"""Names of the months and how they are shortened, in English, German, French and Spanish."""
BEGINNINGS = {word[: 4 if word.startswith("jui") else 3]: n for word, n in MONTHS.items()}
VALUE = "value"
"""Name of the one series of such a table."""
_LONGEST_NAME = 9


def find_months(names: Sequence[str]) -> dict[str, int] | None:
    """Give the month of each column that is one, if there are all twelve; None otherwise, or of days up to 31."""
    if {"13", "31"} <= {re.sub(r"\D", "", name) for name in names if not name.isalpha()}:
        return None
    found = {name: month for name in names if (month := _month_of(name.strip().strip(".").lower()))}
    return found if sorted(found.values()) == list(range(1, 13)) else None


def _month_of(name: str) -> int:
    if re.fullmatch(r"m?0?\d{1,2}|x\d{1,2}", name):
        number = int(re.sub(r"\D", "", name))
        return number if 1 <= number <= 12 else 0
    known = name.isalpha() and len(name) <= _LONGEST_NAME
    return BEGINNINGS.get(name[:3], BEGINNINGS.get(name[:4], 0)) if known else 0


def unfold_months(table: pl.LazyFrame, options: TableOptions) -> pl.LazyFrame:
    """Bring a table of years and months to one row for each month: time as `2020-01`, and `VALUE`.

    They are in the order of the rows. A last line of words, as climate indices have them below their rows, is no row.
    """
    schema = table.collect_schema()
    months, year = find_months(schema.names()), options.time_name
    if months is None or year not in schema:
        return table
    kept = [ROW, MORE, *(name for name in options.by if name in schema)]
    text = pl.col(year).cast(pl.String).str.strip_chars().str.replace(r"\.0+$", "")
    last = max(months, key=lambda name: months[name])
    is_row = text.str.contains(r"^\d{4}$") | pl.col(last).is_not_null()
    if schema[last] != pl.String:
        is_row = pl.lit(value=True)
    parts = [
        table.filter(is_row).select(
            *kept, pl.concat_str([text, pl.lit(f"-{month:02d}")]).alias(year), pl.col(name).alias(VALUE)
        )
        for name, month in sorted(months.items(), key=lambda one: one[1])
    ]
    return pl.concat(parts).sort(ROW, maintain_order=True)
