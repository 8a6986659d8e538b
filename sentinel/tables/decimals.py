"""Decimal commas and marks of thousands, told by the first cell that decides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MINUS, MissingMarks, TableOptions, marked, matches

ENOUGH_ROWS = 10
"""Rows that tell nothing, from which on a growing file is taken to have nothing to tell."""
MARKED = r"\d[,' \u00a0\u202f]\d"
"""A mark between digits that may be a decimal comma, or stand between thousands."""
MAY_TELL = rf"{MARKED}|^\s*[-+]?[1-9]\d{{0,2}}(\.\d{{3}})+\s*$"
"""A cell that may tell which marks a table has."""
LOOKED_AT = 200
"""Rows that tell them."""
_NUMBER_LIKE = re.compile(r"[-+\u2212\u2013]?\d[\d.,' \u00a0\u202f]*([eE][+-]?\d+)?")
_SPACED = re.compile(r"[-+\u2212\u2013]?\d{1,3}(?:([ '\u00a0\u202f])\d{3})(?:\1\d{3})*([.,]\d+)?")
_POINTED = re.compile(r"[-+\u2212\u2013]?[1-9]\d{0,2}(\.\d{3})+")
_PAIR, _PADDED = re.compile(r"[-+]?\d+,\d"), re.compile(r"[-+]?0\d+,")
_FRACTION = re.compile(r"[-+]?\d+\.\d+")
_FEWEST_WHOLE = 3
_FORMS: tuple[tuple[re.Pattern[str], dict[str, Any]], ...] = (
    (re.compile(r"[-+\u2212\u2013]?\d{1,3}(\.\d{3})+,\d+"), {"decimal": ",", "thousands": "."}),
    (re.compile(r"[-+\u2212\u2013]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})"), {"thousands": ","}),
    (re.compile(r"[-+\u2212\u2013]?[1-9]\d{0,2},\d{3}"), {}),
    (re.compile(r"[-+\u2212\u2013]?\d+,\d+([eE][+-]?\d+)?"), {"decimal": ","}),
)
"""Forms of a number and the options they tell; `1,234` tells none, though it has a mark."""


def texts_of(cells: pl.Series, options: TableOptions) -> pl.Series:
    """The cells of a column as texts, without those missing; whole numbers as such."""
    if cells.dtype.is_float():
        cells = cells.drop_nulls().drop_nans()
        cells = cells.cast(pl.Int64) if bool((cells == cells.round()).all()) and (cells.abs() < 1e18).all() else cells
    texts = cells.cast(pl.String, strict=False).drop_nulls().str.strip_chars()
    return texts.filter(~texts.is_in(list(MissingMarks.of(options).texts)))


def find_decimal(head: pl.DataFrame, options: TableOptions, where: str) -> dict[str, Any]:
    """Tell decimal comma and marks of thousands by the first cell that decides; DataError where none does."""
    if options.decimal != "." or options.thousands is not None:
        return {}
    first = head.head(LOOKED_AT)
    # In one pass over all columns: most tables have none of these marks.
    marked = first.select((pl.col(pl.String).str.contains(MARKED)).any())
    # By a name each would be quadratic in the columns.
    known = dict(zip(marked.columns, marked.row(0), strict=True)) if marked.width else {}
    names = [name for name in first.columns if known.get(name)]
    cells = [text for name in names for text in _numbers_of(name, first, options)]
    told: dict[str, Any] = {}
    doubtful: str | None = None
    for text in cells:
        found = _told_by(text)
        if found is None:
            continue
        if found.get("thousands") == ",":
            return found
        told |= found
        if {"thousands", "decimal"} <= told.keys():
            return told
        doubtful = doubtful or (None if found else text)
    if doubtful and not told:
        plain, whole = doubtful.replace(",", "."), doubtful.replace(",", "")
        raise DataError(
            f"{where}: numbers such as {doubtful!r} can be read in two ways, and no row decides; say which with "
            f"--decimal , ({plain}), or --thousands , ({whole})"
        )
    if told == {"decimal": ","} and options.separator == "," and (pair := _find_pair(first, options)):
        raise DataError(
            f"{where}: {pair[0]!r} stands beside {pair[1]}: its comma may be no decimal one but stand between two "
            "values, as between a temperature in tenths and its quality in hourly files of NCEI; split such cells "
            "first, or say --decimal ,"
        )
    if not told and (pointed := _find_points(first, options)):
        raise DataError(
            f"{where}: numbers such as {pointed!r} stand beside whole ones below a thousand, as with a point between "
            f"thousands; say which with --decimal , --thousands . ({pointed.replace('.', '')}), or --thousands , "
            f"({pointed})"
        )
    return told


def _find_pair(head: pl.DataFrame, options: TableOptions) -> tuple[str, str] | None:
    """Find a cell whose comma may stand between two values, and what speaks for it: `+0178,5`, or points elsewhere."""
    own = {name: _numbers_of(name, head, options) for name in head.columns}
    commas = [[text for text in texts if "," in text] for texts in own.values()]
    paired = [texts[0] for texts in commas if texts and all(map(_PAIR.fullmatch, texts))]
    if not paired:
        return None
    if padded := next((texts[0] for texts in commas if any(map(_PADDED.match, texts)) and texts[0] in paired), None):
        return padded, "others of as many digits, filled up with zeros"
    pointed = next((name for name, texts in own.items() if texts and all(map(_FRACTION.fullmatch, texts))), None)
    return (paired[0], f"numbers with a decimal point, {own[pointed][0]} in column {pointed!r}") if pointed else None


def note_points(head: pl.DataFrame, options: TableOptions) -> Iterator[str]:
    """Say it where all fractions have three digits, as thousands behind a point have, in a table with semicolons.

    Those stand between columns where commas are decimal ones; of tabs and blanks that cannot be told.
    """
    if options.decimal == "." and options.thousands is None and options.separator == ";":
        for pointed, _ in _pointed(head.head(LOOKED_AT), options)[:1]:
            whole = pointed.replace(".", "")
            yield (
                f"numbers such as {pointed} all have three digits behind the point, taken as a decimal point; if it "
                f"stands between thousands ({whole}): --decimal , --thousands ."
            )


def _find_points(head: pl.DataFrame, options: TableOptions) -> str | None:
    """Find a number such as `1.200` of a column that has 950 as well; no column may have another fraction."""
    for pointed, whole in _pointed(head, options):
        hundreds = [text for text in whole if len(text) == 3 and "100" <= text < "999"]
        if len(hundreds) >= _FEWEST_WHOLE and all(len(text) <= 3 for text in whole):
            return pointed
    return None


def _pointed(head: pl.DataFrame, options: TableOptions) -> list[tuple[str, set[str]]]:
    """The first number with a point and all whole ones of each column that has some; none where a fraction tells."""
    found = []
    for name in head.columns:
        cells = head[name]
        if cells.dtype != pl.String or not cells.str.contains(".", literal=True).any():
            continue
        texts = _numbers_of(name, head, options)
        pointed = [text for text in texts if "." in text]
        if not all(map(_POINTED.fullmatch, pointed)):
            return []
        if pointed:
            found.append((pointed[0], {text.lstrip("-+" + MINUS) for text in texts if "." not in text}))
    return found


def _numbers_of(name: str, head: pl.DataFrame, options: TableOptions) -> list[str]:
    """The first cells of a column, where at least half of them look like numbers; none of other columns."""
    if head[name].dtype != pl.String or name in (*options.time_columns, options.time_name, *options.by):
        return []
    wanted = options.columns is None or any(matches(name, one) for one in options.columns)
    wanted = wanted and not any(matches(name, one) for one in options.exclude)
    if not wanted and name != options.value_column:  # of a long table no column is left out
        return []
    texts = texts_of(head[name], options).to_list()
    if options.trailing:
        texts = [re.sub(marked(options), r"\1", text) for text in texts]
    return texts if 2 * sum(_NUMBER_LIKE.fullmatch(text) is not None for text in texts) >= len(texts) else []


def _told_by(text: str) -> dict[str, Any] | None:
    """Options that one cell tells; empty where it has a mark that can mean either, None where it has none."""
    if spaced := _SPACED.fullmatch(text):
        return {"thousands": spaced[1]} | ({"decimal": spaced[2][0]} if spaced[2] else {})
    return next((told for form, told in _FORMS if form.fullmatch(text)), None)
