"""Complaints about cells that cannot be used: each by itself, or all of a table counted by kind."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from sentinel.domain.observation import Rejection
from sentinel.tables.cells import COLUMN, MINUS, ROW, Axis, TableOptions
from sentinel.tables.forms import ISO, STEPS, forms_of
from sentinel.tables.months import BEGINNINGS
from sentinel.tables.times import MONTH, instant
from sentinel.tables.units import is_unit

COMPLAINTS = 10
LONGEST_NAME_BYTES = 1_000
"""A name of a series that is longer is a broken row: it would stand on every page and in every scrape from then on."""
REJECTED = "__rejected__"
CAME = "__came__"
_WHAT = {
    Rejection.MALFORMED_ROW: f"more or other fields than the header names, or a name over {LONGEST_NAME_BYTES} bytes",
    Rejection.NO_SERIES: "no name for the series; a text is needed",
    Rejection.BAD_TIME: "is not a time",
    Rejection.NOT_A_NUMBER: "is not a number",
    Rejection.NOT_FINITE: "is not a finite number",
}
FATAL = (Rejection.MALFORMED_ROW, Rejection.NO_SERIES, Rejection.BAD_TIME, Rejection.NOT_A_NUMBER)
"""Faults that refuse the whole table when it is read strictly; missing and infinite values are only counted."""
EXPECTED = (Rejection.MISSING, Rejection.FLAGGED)
"""Reasons that are no faults: the options ask for them."""
_MARKS_NAMED = 6
_MONTHS = (*BEGINNINGS, "maj", "kvě")
_DATE = re.compile(r"\d{1,4}\W+(\d{1,2}|[^\W\d_]{3,})\W+\d{1,4}(\W.*)?|[^\W\d_]{3,}\W+\d{1,2}\W+\d{4}(\W.*)?")
"""A date by its looks, in a form that is not known or on a day that no calendar has."""
_PLACES = {Rejection.MALFORMED_ROW: "malformed rows", Rejection.NO_SERIES: "rows that name no series"}
_UNIT_LINES = 2
"""Lines of units and the like below the names at most, as Campbell's loggers write them."""
_KINDS_NAMED = 6
"""Kinds of one column named one by one."""
_MOST_NOTES = 20
"""Rows without a time that may be notes, totals and what stands below a table."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a table that is read strictly is refused."""

    message: str
    """Everything that has to be put right, by kind, with the options that do."""
    options: tuple[tuple[str, str], ...]
    """Names and values of those options."""


def refuse(left_out: pl.LazyFrame, options: TableOptions, where: str, axis: Axis, rows: int) -> Refusal:
    """Say in one line everything in a table that has to be put right, with the options that do.

    `rows` are those of the head: where many of them have no time, these are no notes.
    """
    fatal = left_out.filter(pl.col(REJECTED).is_in(FATAL))
    # Digits are one kind: `<0.5` and `<0.7` are the same fault.
    kind = pl.col(CAME).str.replace_all(r"\d+(\.\d+)?", "0").str.slice(0, 40).alias("kind")
    column = pl.when(pl.col(REJECTED) == Rejection.NOT_A_NUMBER).then(COLUMN).alias("column")
    kinds = (
        fatal.select(REJECTED, column, kind, ROW, CAME)
        .group_by(REJECTED, "column", "kind")
        .agg(pl.col(ROW).n_unique().alias("count"), pl.col(CAME).first(), pl.col(ROW).min())
        .sort(ROW)
        .collect(engine="streaming")
    )
    first = complain_of_all(fatal.bottom_k(1, by=ROW).collect(), options, where, axis)[0]
    names, units = _find_restarts(left_out, kinds, options)
    of_kinds = kinds.filter(~pl.col(ROW).is_in(units)) if units else kinds
    found = [(str(reason), str(came)) for reason, came in of_kinds.select(REJECTED, CAME).rows()]
    takes = tuple(dict.fromkeys(option for reason, came in found for option in _find_options(reason, came, options)))
    times = [came.strip() for reason, came in found if reason == Rejection.BAD_TIME]
    no_rows = (
        kinds.filter(pl.col(REJECTED) == Rejection.BAD_TIME)["count"].sum() <= min(_MOST_NOTES, rows / 4) and not units
    )
    no_rows = no_rows and not any(_is_time_like(text) or text == options.time_name for text in times)
    # The total of a month stands below its days; a table may begin with values of months.
    no_rows = no_rows and not (kinds[ROW][0] == 0 and re.fullmatch(MONTH, kinds[CAME][0]))
    if no_rows and any(not _find_options(Rejection.BAD_TIME, text, options) for text in times):
        every = ("missing", f"{options.time_name}=*")
        takes = (*(one for one in takes if not one[1].startswith(f"{options.time_name}=")), every)
    advice = [_write_option(name, value) for name, value in takes]
    ends = [re.search(r"\d\s*([^\d\s.,]\S*)\s*$", came) for _, came in found]
    if any(end is not None and _is_other_unit(end[1], options) for end in ends):
        advice.append("numbers in several units: convert them to one")
    if options.time_name in times:
        advice.append("the names come again, but not the same ones in the same order: split the file there")
    elif units:
        advice.append(f"below the names that come again in row {names + 1} stand other units: split the file there")
    if any(_is_skipped(text, options) for text in times if not re.fullmatch(MONTH, text)):
        advice.append(f"this hour does not exist in {options.time_zone}")
    elif not no_rows and options.time_format is None and axis == "time" and any(re.search(r"\d", t) for t in times):
        advice.append("another form of times: --time-format, with the letters of strftime")
    if kinds["count"].sum() == 1:
        return Refusal("; ".join([first, *advice]), takes)
    parts = []
    for (reason, name), own in kinds.group_by(REJECTED, "column", maintain_order=True):
        texts = [f"{_shorten(came)} x{count:,}" for came, count in own.select(CAME, "count").head(_KINDS_NAMED).rows()]
        more = f" and {own.height - _KINDS_NAMED} other kinds" if own.height > _KINDS_NAMED else ""
        place = f"column {name!r}" if name is not None else _PLACES.get(str(reason), "the time column")
        parts.append(f"{', '.join(texts)}{more} in {place}")
    what_to_do = f"; {', '.join(advice)}" if advice else ""
    return Refusal(f"{first}; in the whole table: {'; '.join(parts)}{what_to_do}", takes)


def _is_time_like(text: str) -> bool:
    """True for a time in another form than the others, which is no note or total between the rows."""
    if re.fullmatch(MONTH, text):
        return False
    forms = forms_of(text)
    if _DATE.fullmatch(text) and all(word.lower().startswith(_MONTHS) for word in re.findall(r"[^\W\d_]{3,}", text)):
        return True
    return _is_skipped(text, TableOptions()) if forms == [ISO] else any(form != STEPS for form in forms)


def _find_restarts(left_out: pl.LazyFrame, kinds: pl.DataFrame, options: TableOptions) -> tuple[int, list[int]]:
    """Find a row of names that comes again and rows of words below such rows: units, though not those of the beginning.

    An option that leaves those out would hide that the numbers below are in other units.
    """
    time = pl.col(CAME).str.strip_chars()
    words = kinds.filter(pl.col(REJECTED) == Rejection.BAD_TIME, ~time.str.contains(r"\d"), time != options.time_name)
    if words.is_empty():
        return 0, []
    is_name = pl.col(REJECTED).is_in((Rejection.BAD_TIME, Rejection.MISSING)) & (time == options.time_name)
    names = left_out.filter(is_name).select(ROW).unique().collect(engine="streaming")[ROW].to_list()
    below = {row: name for name in sorted(names) for row in range(name + 1, name + 1 + _UNIT_LINES)}
    units = [row for row in words[ROW] if row in below]
    return (below[units[0]], units) if units else (0, [])


def _find_options(reason: str, came: str, options: TableOptions) -> list[tuple[str, str]]:
    """Options that would take a cell, or leave out a row that has a word in place of its time: `Total`."""
    text = came.strip()
    if reason == Rejection.BAD_TIME and text == options.time_name:
        return []
    if reason == Rejection.BAD_TIME and re.fullmatch(r"[^\d\W][^\d=]{,19}", text):
        return [("missing", f"{options.time_name}={text}")]
    if reason != Rejection.NOT_A_NUMBER:
        return []
    marked = re.fullmatch(r"([<+-]?\s*\d*[.,]?\d+[.,]?)\s*([^\d\s.,][^\d\s]{0,3})", text)
    if marked and marked[2].strip("-.").lower().startswith(_MONTHS):
        return []  # `3.Mai`, a number that a spreadsheet took for a date: what it was is lost
    if marked and (_is_other_unit(marked[2], options) or marked[2] in ("-", *MINUS)):
        return []  # a minus behind the number, as accounts have it, does change it
    behind = [("trailing", marked[2])] if marked and marked[2] not in options.trailing else []
    text = marked[1] if marked else text
    if options.decimal == "," and options.thousands is None and re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?", text):
        return [*behind, ("thousands", ".")]
    if re.fullmatch(r">\s*\d*[.,]?\d+", text):
        return [("missing", came.strip())]
    if re.fullmatch(r"<\s*\d*[.,]?\d+", text):
        return [*behind, ("below_detection", "half")]
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return [*behind, ("decimal", ",")]
    if behind:
        return behind
    if len(text) <= 12 and not re.search(r"\d", text):
        return [("missing", text)]
    return []


def _is_other_unit(mark: str, options: TableOptions) -> bool:
    """True for a unit beside another one that is taken off: taken off as well, it would hide that the values change."""
    return mark not in options.trailing and is_unit(mark) and any(map(is_unit, options.trailing))


def _write_option(name: str, value: str) -> str:
    # What begins with a dash would be taken for an option.
    return f"--{name.replace('_', '-')}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"


def _is_skipped(text: str, options: TableOptions) -> bool:
    """True where a time would be one in UTC: the clocks of its zone skip it."""
    there = pl.select(instant(pl.lit(text), pl.String(), replace(options, time_zone="UTC"))).item()
    return there is not None


def complain_of_all(rows: pl.DataFrame, options: TableOptions, where: str, axis: Axis) -> tuple[str, ...]:
    """Say of each row that was left out where it stands, what came and what is allowed."""
    return tuple(dict.fromkeys(_complain(row, options, where, axis) for row in rows.iter_rows(named=True)))


def _complain(row: Mapping[str, object], options: TableOptions, where: str, axis: Axis) -> str:
    reason, number_of_row = str(row[REJECTED]), int(str(row[ROW])) + 1
    if reason == Rejection.BAD_TIME:
        column, allowed = options.time_name, _describe_times(options, axis)
    elif reason in (Rejection.NOT_A_NUMBER, Rejection.NOT_FINITE):
        marks = ", ".join(repr(mark) for mark in options.missing[:_MARKS_NAMED])
        marks += ", ..." if len(options.missing) > _MARKS_NAMED else ""
        column, allowed = str(row[COLUMN]), f"a number or a mark of a missing value ({marks}) is allowed"
    elif reason == Rejection.NO_SERIES:
        return f"{where}, row {number_of_row}: {_WHAT[reason]}"
    else:
        return f"{where}, row {number_of_row}: {_WHAT[reason]} (at {_shorten(row[CAME])}); check separator and encoding"
    return f"{where}, row {number_of_row}, column {column!r}: {_shorten(row[CAME])} {_WHAT[reason]}; {allowed}"


def _describe_times(options: TableOptions, axis: Axis) -> str:
    if axis == "number":
        return "a number is allowed, as in the rows before"
    if options.time_format is not None:
        return f"{options.time_format!r} is allowed"
    example = f"2020-01-31T12:00:00Z, or in time zone {options.time_zone} without offset"
    return f"ISO 8601 is allowed ({example}), in the years 1 to 9999 UTC"


def _shorten(came: object) -> str:
    text = str(came)
    return repr(text if len(text) <= 60 else text[:57] + "...")
