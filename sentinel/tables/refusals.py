"""Refusals of a table as a whole, which say what it may be and the options for that."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import product

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, UNNAMED, TableOptions
from sentinel.tables.clocks import is_whole, numbers_of
from sentinel.tables.decimals import ENOUGH_ROWS, texts_of
from sentinel.tables.dialects import UnfinishedError
from sentinel.tables.forms import ISO, STEPS, common_forms, forms_of, is_clock
from sentinel.tables.times import NUMBERS, instant, stamp_text

DECIMAL_YEAR = r"(decimal|dec|frac\w*|dezimal)[ _.]?(year|yr|date|jahr)s?|(year|yr|date)[ _.]?(decimal|dec|frac\w*)"
"""Names of numbers of years with their fraction."""
_FIRST, _LAST = 1500, 2200
DAYS = (
    ("excel", 20_000, 60_000), ("excel1904", 20_000, 58_538), ("julian", 2_400_000, 2_500_000),
    ("matlab", 690_000, 790_000),
)  # fmt: skip
"""Days as programs count them, with the first and last number that is a time of measurements."""
_WEEK = (
    r"((iso|epi|mmwr|calendar|cal)[ _]?)?(weeks?|wk|woche|semaine|semana|kw)([ _]?(no|nr|num|number|[(\[].*))?|"
    r".*year[ _]?week"
)
_MOST_WEEKS = 53
_SHOWN, _NAMED = 20, 3
_FEWEST_ROWS = 2
_FEWEST_DATES = 3
ENOUGH_CELLS = 400
"""Cells that a form of time has to read: a year of days."""
_FEWEST = 10
"""Columns of times side by side at least."""
_HOUR, _DAY = r"(?=h|.*:)(?:h|hr|hour)?[ _.-]?(\d{1,2})(?::00)?", r"(?:d|day)?[ _.-]?(\d{1,2})"
"""Names of the value of an hour, and of a day of the month; `1` to `24` alone may be depths."""
_DIGITS = {6: ("%Y%m", "%y%m%d", "%d%m%y", "%m%d%y"), 7: ("%Y%j",), 8: ("%d%m%Y", "%m%d%Y")}
"""Forms of dates written as so many digits, which are not recognised by themselves."""


def refuse_short_header(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str, *, growing: bool = False
) -> None:
    """Raise DataError where every row has more fields than the line of names has names.

    UnfinishedError: a growing table has but one, whose names may stand in the line above it.
    """
    if MORE not in head.columns or options.names or head[MORE].null_count() or head.is_empty():
        return
    if head.height < _FEWEST_ROWS:
        if growing:
            raise UnfinishedError
        return
    named = " ".join(f"--names {shlex.quote(name)}" for name in ("row", *names))
    raise DataError(
        f"{where}: every row has more fields than the {len(names)} names ({', '.join(names[:12])}); where the first "
        f"column is one without a name, as write.table of R writes it: --skip-rows {options.skip_rows + 1} {named}; "
        "where a decimal comma stands between commas, write the table with another separator"
    )


def refuse_unread_times(head: pl.DataFrame, named: Sequence[str], options: TableOptions, where: str) -> None:
    """Raise DataError where columns are named as times, but hold none in a known form: with what the first may be."""
    for name in named:
        texts = texts_of(head[name], options)
        if texts.is_empty():
            continue
        refuse_rounded_times(head, name, options, where)
        column = f"--time-column {shlex.quote(name)} --time-format"
        readings = [f"{column} {shlex.quote(form)} ({read:%Y-%m-%d %H:%M})" for form, read in _readings(texts, name)]
        say = ", or ".join(readings) or f"{column} '...', with the letters of strftime"
        raise DataError(f"{where}: column {name!r} holds {texts[0]!r}, a time in no known form; say which: {say}")


def refuse_second_times(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str, *, growing: bool = False
) -> None:
    """Raise DataError where two tables stand side by side, `Date,A,Date,B`: each value has the time before it.

    UnfinishedError: in the few rows of a growing file both have the same times.
    """
    if options.columns is not None:
        return
    stems = {_stem(name): name for name in options.time_columns}
    for second in names:
        first = stems.get(_stem(second))
        if first in (None, second) or second in options.time_columns or second in options.exclude:
            continue
        at = names.index(second)
        values = [name for name in names if _stem(name) not in stems and not name.startswith(UNNAMED)]
        own = [
            [name for name in part if name in values and not numbers_of(head, name, options).is_empty()]
            for part in (names[:at], names[at:])
        ]
        if not all(own):  # the end of an interval, or the same time in another form
            continue
        both = head.select(
            first=stamp_text(pl.col(first), head[first].dtype), second=stamp_text(pl.col(second), head[second].dtype)
        ).drop_nulls()
        told = both.filter(pl.col("first") != pl.col("second"))
        same = told.is_empty() or _are_one_time(both)
        if growing and same and head.height < ENOUGH_ROWS:
            raise UnfinishedError
        if same or not all(forms_of(one) not in ([], [STEPS]) or is_clock(one) for one in told["second"].head(_SHOWN)):
            continue
        said = [
            f"--time-column {shlex.quote(time)} " + " ".join(f"--columns {shlex.quote(one)}" for one in some[:_NAMED])
            for time, some in zip((first, second), own, strict=True)
        ]
        raise DataError(
            f"{where}: columns {first!r} and {second!r} hold different times in one row ({told['first'][0]}, "
            f"{told['second'][0]}), as where two tables stand side by side; take each alone: {', then '.join(said)}; "
            f"if {second!r} is no time of a value: --exclude {shlex.quote(second)}"
        )


def refuse_times_as_names(names: Sequence[str], options: TableOptions, where: str, *, timed: bool) -> None:
    """Raise DataError where years or dates, or the hours or days of one row, stand side by side; not wavelengths."""
    if options.layout != "auto" or options.columns is not None or len(names) < _FEWEST:
        return
    year = r"(1[89]|20)\d\d"
    times = [name for name in names if (re.fullmatch(year, name) and not timed) or set(forms_of(name)) - {STEPS}]
    if 2 * len(times) > len(names) and not (forms_of(names[0]) or is_clock(names[0])):
        raise DataError(
            f"{where}: a column for each time ({times[0]} to {times[-1]}) and a row for each series; turn the table on "
            f"its side first, in Python: pandas.read_csv(FILE, index_col={names[0]!r}).T"
        )
    lower = [name.strip().lower() for name in names]
    for what, pattern, count in (("hour", _HOUR, 24), ("day", _DAY, 31)):
        numbers = {int(found[1]) for name in lower if (found := re.fullmatch(pattern, name))}
        if len(numbers) == count and (what == "hour" or any(name.startswith("mo") for name in lower)):
            raise DataError(
                f"{where}: a column for each {what} ({count} of them); for one series write them below each other, "
                f"with pandas.melt for instance; for a series of each {what}: --layout wide"
            )


def _stem(name: str) -> str:
    """Give the name without a number at its end: `Date (2)`, `Date.1` and `date2` are two of one kind."""
    return re.sub(r"[\s._(-]*\d+\)?$", "", name).lower()


def _forms_of(text: str, name: str) -> Iterator[str]:
    """List the forms of time that a number can have; and a month with its year."""
    if re.fullmatch(r"[A-Za-z]{3}[- ]\d\d", text):
        yield f"%b{text[3]}%y"
    if formula := re.fullmatch(r'="(.*)"', text):  # as a spreadsheet is told to leave a text alone
        forms = ["%Y-%m-%d" if form == ISO else form for form in forms_of(formula[1]) if form != STEPS]
        yield from (f'="{form}"' for form in forms if form.startswith("%"))
    if not re.fullmatch(r"\d+([.,]\d+)?", text):
        return
    number = float(text.replace(",", "."))
    if re.match(r"m", name.lower()) and "jd" in name.lower():
        yield "mjd"
    else:
        yield from (form for form, low, high in DAYS if low <= number < high)
    if _FIRST <= number < _LAST and not text.isdigit():
        yield "years"
    if text.isdigit():
        yield from _DIGITS.get(len(text), ())


def _readings(texts: pl.Series, name: str) -> Iterator[tuple[str, datetime]]:
    """Give each form that all first cells may have, with what it makes of the first one."""
    cells = texts.head(ENOUGH_CELLS)
    for form in _forms_of(cells[0], name):
        read = _read(cells, form)
        if not read.null_count() and read.dt.year().is_between(_FIRST, _LAST).all():
            yield form, read[0]


def _are_one_time(both: pl.DataFrame) -> bool:
    """True for two columns of texts that are the same moments in all rows, each in a form of its own."""
    first, second = (
        [
            _read(both[name], form)
            for form in common_forms(both[name].to_list())
            if form not in NUMBERS and form != STEPS
        ]
        for name in both.columns
    )
    return any(not one.null_count() and one.equals(other) for one, other in product(first, second))


def _read(texts: pl.Series, form: str) -> pl.Series:
    """Read texts as times of a form."""
    options = TableOptions(time_format=None if form == ISO else form)
    return pl.select(time=instant(pl.lit(texts), pl.String(), options)).to_series()


def refuse_weeks(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str, *, growing: bool = False
) -> None:
    """Raise DataError where `2020-12` may be a week, and where the week stands beside its year: which ones is not said.

    Those of ISO 8601 begin on Mondays, those of the CDC of the U.S. on Sundays. UnfinishedError: in the few rows of a
    growing file no year comes twice.
    """
    if options.time_format is not None or len(options.time_columns) > 1 or options.columns is not None:
        return
    if head[options.time_name].dtype.is_temporal():
        return
    texts = texts_of(head[options.time_name], options)
    own = f"--time-column {shlex.quote(options.time_name)}"
    named = re.fullmatch(rf"(.*[ _])?({_WEEK})", options.time_name.lower()) is not None
    if named and texts.str.contains(r"^\d{4}-?\d\d$").all() and texts.len():
        dash = "-" * ("-" in texts[0])
        raise DataError(
            f"{where}: column {options.time_name!r} holds {texts[0]!r}; if that is a week of ISO 8601: {own} "
            f"--time-format %G{dash}%V; if it is a month: {own} --time-format %Y{dash}%m"
        )
    week = next((one for one in names if re.fullmatch(_WEEK, one.lower()) and one not in options.by), None)
    if (
        week is None
        or not is_whole(head, week, _MOST_WEEKS, options)
        or not are_years(head, options.time_name, options)
    ):
        return
    by = [one for one in options.by if one in names]
    repeated = head.select(options.time_name, *by).drop_nulls().is_duplicated().any()
    if growing and not repeated and texts.len() < ENOUGH_ROWS:
        raise UnfinishedError
    if repeated:
        raise DataError(
            f"{where}: column {week!r} holds the weeks of the years in {options.time_name!r}; if they are those of "
            f"ISO 8601: {own} --time-column {shlex.quote(week)} --time-format '%G %V'; if they were measured, name "
            "what tells the rows of a year apart with --by, or the series with --columns"
        )


def are_years(head: pl.DataFrame, name: str, options: TableOptions) -> bool:
    """True for a column of numbers that may be years of the calendar with their fraction."""
    numbers = numbers_of(head, name, options)
    return 2 * numbers.len() > head.height and bool(numbers.is_between(_FIRST, _LAST).all())


def refuse_rounded_times(head: pl.DataFrame, name: str, options: TableOptions, where: str) -> None:
    """Raise DataError where times are numbers such as `2.02106E+11`, of which a spreadsheet has cut off the end."""
    if head[name].dtype != pl.String:
        return
    parts = pl.col(name).str.extract_groups(r"^\s*[0-9][.,]?(?<digits>[0-9]*)[eE]\+?(?<exponent>[0-9]{1,3})\s*$")
    digits, exponent = (parts.struct.field(part) for part in ("digits", "exponent"))
    keys = [one for one in (name, *options.by, options.series_column) if one in head.columns]
    rounded = head.filter(digits.str.len_bytes() < exponent.cast(pl.Int64)).select(keys)
    if 2 * rounded.height > texts_of(head[name], options).len() and rounded.is_duplicated().any():
        raise DataError(
            f"{where}: times such as {rounded[name][0]!r} in column {name!r} have lost their last digits, so "
            "that several are the same; export the table again, with the column as text or as a whole number"
        )


def refuse_dates_as_steps(head: pl.DataFrame, options: TableOptions, where: str) -> None:
    """Raise DataError where numbers that are taken as steps look like years with a fraction, or dates in digits."""
    temporal = head[options.time_name].dtype.is_temporal()
    if options.time_format is not None or options.time_direction is not None or temporal:
        return
    texts = texts_of(head[options.time_name], options)
    if texts.len() >= _FEWEST_DATES and texts.n_unique() > 1:
        _refuse_digits(texts, options.time_name, where)
    numbers = numbers_of(head, options.time_name, options)
    if numbers.len() < max(2, head.height // 2) or not numbers.is_between(_FIRST, _LAST).all():
        return
    fractions = numbers.filter(numbers != numbers.floor())
    if fractions.is_empty():
        return
    read = pl.select(instant(pl.lit(fractions[0]), pl.Float64(), TableOptions(time_format="years"))).item()
    raise DataError(
        f"{where}: numbers such as {fractions[0]:.15g} in column {options.time_name!r} can be read in two ways; say "
        f"which with --time-format years ({read:%Y-%m-%d %H:%M}), or --time-direction forward (steps of any length)"
    )


def _refuse_digits(texts: pl.Series, name: str, where: str) -> None:
    """Raise DataError where all of these are dates such as 199012 (a month), 2021365 or 20210131.5."""
    if texts.str.contains(r"^(1[5-9]|2[01])\d{6}[.,]\d+$").all():
        days = texts.str.slice(0, 8)
        if not _read(days, "%Y%m%d").null_count():
            raise DataError(
                f"{where}: numbers such as {texts[0]} in column {name!r} look like days, %Y%m%d, with their fraction, "
                "which is no form of time that is read: write dates (cdo setreftime does in NetCDF); if they are "
                "steps of any length: --time-direction forward"
            )
    if texts.str.contains(r"^\d{6,8}$").all() and (readings := list(_readings(texts, name))):
        shown = ", or ".join(f"--time-format {form} ({read:%Y-%m-%d})" for form, read in readings)
        raise DataError(
            f"{where}: numbers such as {texts[0]} in column {name!r} may be dates; say which with {shown}, or "
            "--time-direction forward (steps of any length)"
        )
