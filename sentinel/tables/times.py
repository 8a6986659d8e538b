"""One cell of a table as an instant, null where it is no time; and zones as names of columns write them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from sentinel.config.sources import SINCE
from sentinel.domain.clock import Clock
from sentinel.tables.cells import TableOptions, number
from sentinel.tables.months import MONTHS, NAMES

NUMBERS: dict[str, tuple[float, float, float]] = {
    # name: units of a day, the number of 1970-01-01, and what the result is rounded to, in microseconds
    "%s": (86_400.0, 0.0, 1.0),
    "seconds": (86_400.0, 0.0, 1.0),
    "milliseconds": (86_400e3, 0.0, 1.0),
    "microseconds": (86_400e6, 0.0, 1.0),
    "nanoseconds": (86_400e9, 0.0, 1.0),
    "excel": (1.0, 25_569.0, 1e6),
    "excel1904": (1.0, 24_107.0, 1e6),
    "julian": (1.0, 2_440_587.5, 1e6),
    "mjd": (1.0, 40_587.0, 1e6),
    "matlab": (1.0, 719_529.0, 1e6),
    "years": (1.0 / 365.2425, 1970.0, 1e6),
}
"""Times written as numbers. Days with fractions are rounded to whole seconds: 44197.041667 is one o'clock.

Years are of the length that the calendar gives them: 2004.5 is the second of July.
"""
ZONES = {"Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
         "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "AST": -4, "ADT": -3, "WET": 0, "WEST": 1, "CET": 1, "MEZ": 1,
         "CEST": 2, "MESZ": 2, "EET": 2, "EEST": 3, "JST": 9, "KST": 9, "AWST": 8, "AEST": 10, "AEDT": 11, "NZST": 12,
         "NZDT": 13, "HKT": 8, "SGT": 8}  # fmt: skip
"""Hours east of UTC that `%Z` at the end of a form reads: names that mean one offset wherever they are used."""
_HOURS = {**{name: float(hours) for name, hours in ZONES.items() if name != "Z"}, "ACST": 9.5, "NST": -3.5}
"""Hours east of UTC of abbreviations that mean one offset wherever they are used; BST and IST do not."""
_FIXED = {
    "-09:30": "Pacific/Marquesas", "+04:30": "Asia/Kabul", "+05:30": "Asia/Kolkata", "+05:45": "Asia/Kathmandu",
    "+06:30": "Asia/Yangon", "+09:30": "Australia/Darwin",
}  # fmt: skip
"""Zones whose offset is no whole hour and has not changed since there are loggers."""
_OFFSET = re.compile(r"(?:UTC|GMT)\s*([-+\u2212\u2013])\s*(\d{1,2})(?::?(\d{2}))?\b")
CHANGING = {
    "EST/EDT": "America/New_York", "CST/CDT": "America/Chicago", "MST/MDT": "America/Denver",
    "PST/PDT": "America/Los_Angeles", "AKST/AKDT": "America/Anchorage", "AST/ADT": "America/Halifax",
    "CET/CEST": "Europe/Berlin", "MEZ/MESZ": "Europe/Berlin", "GMT/BST": "Europe/London", "WET/WEST": "Europe/Lisbon",
    "EET/EEST": "Europe/Helsinki", "AEST/AEDT": "Australia/Sydney", "NZST/NZDT": "Pacific/Auckland",
}  # fmt: skip
"""Zones of times on the clock on the wall, by their two abbreviations."""
_MONTHS = {
    f"{one}{end}": f"{NAMES[MONTHS[word] - 1]}{end[1:]}"
    for end in (". ", ".-", "")
    for word in sorted(MONTHS, key=len, reverse=True)
    for one in (word, word.upper())
}
"""English abbreviations of the names of months, the longest names first."""
Repeated: TypeAlias = Literal["earliest", "latest"]
"""Which of the two a naive time is that the clocks make happen twice."""
_LONGEST_S = 2.5e11
"""Seconds from 1970 past which no year has a name; larger numbers would not fit."""
ISO_PATTERN = (  # [0-9], as \d also means digits of other scripts, which polars does not read as numbers
    r"^\s*(?<date>[0-9]{4}-[0-9]{2})(?<day>-[0-9]{2})?"
    r"(?:[T ](?<hour>[0-9]{2}):(?<minute>[0-9]{2})(?::(?<second>[0-9]{2})(?:[.,](?<fraction>[0-9]{1,9}))?)?)?"
    r"\s*(?<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?\s*$"
)
HALF = r"[ \u00a0\u202f]?[AaPp](?:[Mm]|\.[ \u00a0\u202f]?[Mm]\.)"
"""AM or PM as programs of all languages write them: `am`, `p.m.`, `a. m.`."""
_MEAN_YEAR_US = 31_556_952_000_000
_ENOUGH = 20
"""Cells that tell how many decimals the years of a column have."""
RANGE = " - *"
"""End of a form of which the beginning of a range is the time: `01.01.2021 00:00 - 01.01.2021 01:00`."""
MONTH = r"^\s*[0-9]{4}-[0-9]{2}\s*$"
"""A month without a day."""
_UTC_US = pl.Datetime("us", "UTC")
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999 in UTC, the only ones that a calendar has a name for; polars stops the program at far later."""


def instant(cell: pl.Expr, dtype: pl.DataType, options: TableOptions, repeated: Repeated = "earliest") -> pl.Expr:
    """A cell as Datetime in microseconds UTC, null where it is no time of the years 1 to 9999, or the clocks skip it.

    A naive time that a change of the clocks makes happen twice is the one of the two that `repeated` says.
    """
    if dtype == pl.String and (options.time_format or "").endswith(RANGE):
        cell, options = _take_start(cell, options)
    return _keep_nameable(_parse_instant(_keep_nameable(cell, dtype), dtype, options, repeated), _UTC_US)


def _take_start(cell: pl.Expr, options: TableOptions) -> tuple[pl.Expr, TableOptions]:
    """The beginning of a range, and the options that read it.

    Behind it may stand which of two hours it is: in a zone that is known the order of the rows tells that.
    """
    zone = r"(?: \([A-Z]{3,4}\))?" if options.time_zone != "UTC" else ""
    form = (options.time_format or "").removesuffix(RANGE)
    return cell.str.replace(rf"^([^a-z]*?\d){zone} - .*$", "$1"), replace(options, time_format=form)


def have_days(cells: pl.Series, options: TableOptions) -> bool:
    """True for times in ISO 8601 most of which have a day."""
    if cells.dtype != pl.String or options.time_format is not None:
        return False
    return bool(2 * cells.str.contains(r"^\s*[0-9]{4}-[0-9]{2}-").sum() > cells.len() - cells.null_count())


def this_year() -> int:
    """Give the year now: what was measured has no later one, so years of two digits beyond it are of the 1900s."""
    return 1970 + int(Clock().now_us() // _MEAN_YEAR_US)


def _keep_nameable(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A cell, null where it is a stamp outside of the years 1 to 9999, which casts and texts do not survive."""
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":  # nanoseconds cannot leave these years
        unit_us = 1_000 if dtype.time_unit == "ms" else 1
    elif dtype == pl.Date:
        unit_us = 86_400_000_000
    else:
        return cell
    return pl.when(cell.to_physical().is_between(_FIRST_US // unit_us, _LAST_US // unit_us)).then(cell)


def stamp_text(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A time cell as text for a message, whatever it holds."""
    text = _keep_nameable(cell, dtype).cast(pl.String)
    if not isinstance(dtype, pl.Datetime | pl.Date):
        return text
    unit = dtype.time_unit if isinstance(dtype, pl.Datetime) else "days"
    return pl.coalesce(text, cell.to_physical().cast(pl.String) + f" {unit} since 1970")


def _parse_instant(cell: pl.Expr, dtype: pl.DataType, options: TableOptions, repeated: Repeated) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return cell.dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    if dtype in (pl.Datetime, pl.Date):
        return _to_utc(cell.cast(pl.Datetime("us")), options.time_zone, repeated)
    if options.time_format in NUMBERS or SINCE.fullmatch(options.time_format or ""):
        return _of_number(number(cell, dtype, options), options, repeated)
    if dtype.is_numeric() and options.time_format is not None:
        cell, dtype = cell.cast(pl.Int64, strict=False).cast(pl.String), pl.String()
    if dtype != pl.String:
        return pl.lit(None, _UTC_US)
    if options.time_format is None:
        # A function of whole columns: as one expression, the search for the parts would run once for every part.
        return cell.map_batches(
            lambda cells: _parse_iso(cells, options.time_zone, repeated), return_dtype=_UTC_US, is_elementwise=True
        )
    text = cell.str.strip_chars()
    if gap := re.search(r"(\s*)%p", options.time_format):
        text = text.str.replace(HALF.replace("[AaPp]", "([AaPp])"), f"{gap[1]}${{1}}m")
        text = text.str.replace(r"(\d[AaPp])$", "${1}m") if not gap[1] else text
    part = pl.lit(0)
    if options.time_format.endswith("%j"):  # 169.5 is noon; of four decimals the minute can be told
        whole = rf"^((?:[^.]*\.){{{options.time_format.count('.')}}}[^.]*)"  # of 2021.169 only a second point is one
        part = (text.str.extract(rf"{whole}(\.\d+)$", 2).cast(pl.Float64) * 1440).fill_null(0.0)
        fine = text.str.contains(r"\.\d{5,}$")
        part = (pl.when(fine).then((part * 60).round()).otherwise(part.round() * 60) * 1_000_000).cast(pl.Int64)
        text = text.str.replace(rf"{whole}\.\d*$", "$1")
    text, form = _write_quarters(text, options.time_format)
    parsed = _parse_text(text, form)
    if re.search(r"%[bBh]", form):
        foreign = pl.when(parsed.is_null()).then(text)
        english = foreign.str.replace_many([*_MONTHS], [*_MONTHS.values()], ascii_case_insensitive=True, leftmost=True)
        parsed = pl.coalesce(parsed, _parse_text(english, form))
    parsed = (parsed.cast(pl.Int64) + part).cast(pl.Datetime("us")) if form.endswith("%j") else parsed
    if "%y" in form:
        parsed = pl.when(parsed.dt.year() > this_year()).then(parsed.dt.offset_by("-100y")).otherwise(parsed)
    if any(mark in form for mark in ("%Z", "%z", "%:z", "%#z")):
        return parsed.dt.convert_time_zone("UTC")
    return _to_utc(parsed, options.time_zone, repeated)


def _of_number(days: pl.Expr, options: TableOptions, repeated: Repeated) -> pl.Expr:
    """Numbers in the units of `NUMBERS` as instants; Excel writes the time of the clock on the wall."""
    if options.time_format == "years":
        return _of_years(days, options, repeated)
    if found := SINCE.fullmatch(options.time_format or ""):
        step_us = {"second": 1e6, "minute": 60e6, "hour": 3_600e6, "day": 86_400e6}[found[2]] * float(found[1] or 1)
        start = _to_utc(pl.lit(datetime.fromisoformat(found[3])), options.time_zone, repeated).cast(pl.Int64)
        # Days and hours with fractions are rounded to whole seconds.
        digits = 0 if found[2] in ("day", "hour") else 6
        passed = pl.when(days.abs() * step_us < _LONGEST_S * 1e6).then(((days * step_us) / 1e6).round(digits) * 1e6)
        return (start + passed.round().cast(pl.Int64)).cast(_UTC_US)
    units, epoch, rounded = NUMBERS[options.time_format or "%s"]
    seconds = (days - epoch) * (86_400.0 / units)
    step = rounded / 1e6
    since = pl.when(seconds.abs() < _LONGEST_S).then(seconds)
    since_us = ((since / step).round() * rounded if step == 1.0 else (since * 1e6).round()).cast(pl.Int64)
    if options.time_format in ("excel", "excel1904"):
        return _to_utc(since_us.cast(pl.Datetime("us")), options.time_zone, repeated)
    return since_us.cast(_UTC_US)


def _of_years(years: pl.Expr, options: TableOptions, repeated: Repeated) -> pl.Expr:
    """Numbers of years with their fraction, 2003.4712, in the zone of the options, to the second.

    Four decimals tell the hour only, three the day: noon or midnight is taken where they may mean it.
    """
    whole = pl.when(years.is_between(1, 9999, closed="left")).then(years.floor()).cast(pl.Int32)
    first, following = (pl.datetime(whole + more, 1, 1).cast(pl.Int64) for more in (0, 1))
    since = ((years - years.floor()) * (following - first) / 1e6).round() * 1_000_000
    half_day = 43_200_000_000
    nearest = (since / half_day).round() * half_day
    digits = [((years * 10**n).round() - years * 10**n).abs() < 1e-6 for n in (3, 4)]
    # One cell in ten of four decimals ends in 0: only many tell that there are but three.
    coarse = digits[0].all() & (pl.len() >= _ENOUGH)
    slack = pl.when(coarse).then(1e-3).when(digits[1]).then(1e-4).otherwise(0.0) * (_MEAN_YEAR_US / 2)
    since = pl.when((nearest - since).abs() <= slack).then(nearest).otherwise(since)
    return _to_utc((first + since.cast(pl.Int64)).cast(pl.Datetime("us")), options.time_zone, repeated)


def _write_quarters(text: pl.Expr, form: str) -> tuple[pl.Expr, str]:
    """Write quarters, `Q%q`, as their first months, since the parser knows none."""
    if "Q%q" in form:
        for quarter, month in enumerate(("01", "04", "07", "10"), 1):
            text = text.str.replace(f"[Qq]{quarter}", month)
    return text, form.replace("Q%q", "%m")


def _parse_text(text: pl.Expr, form: str) -> pl.Expr:
    """Read texts of this form as moments on the clock, or with the offset that they say."""
    text, late = _put_clock_right(text, form)
    text, form = _complete(text, form)
    parsed = text.str.to_datetime(form, time_unit="us", strict=False)
    return parsed if late is None else pl.when(late).then(parsed.dt.offset_by("1d")).otherwise(parsed)


def _put_clock_right(text: pl.Expr, form: str) -> tuple[pl.Expr, pl.Expr | None]:
    """Write a time of day at the end of a text as its form has it; and say where it was the midnight that ends a day.

    Loggers write 00:15 as 15, which the parser takes for one o'clock, and midnight as 24:00.
    """
    if found := re.search(r"[ T]%H%M(%S)?( ?%[Zz])?$", form):
        whole, zone = 6 if found[1] else 4, r"( ?[A-Za-z]+| ?[+-]\d{2}:?\d{2})" if found[2] else "()"
        for digits in range(1, whole):
            text = text.str.replace(rf"([ T])(\d{{{digits}}}){zone}$", f"${{1}}{'0' * (whole - digits)}${{2}}${{3}}")
    found = re.search(r"[ T]%H([: ]?%M([: ]?%S)?)?$", form)
    if found is None:
        return text, None
    midnight = rf"([ T])24((?:[: ]?0{{1,2}}){{{sum(part is not None for part in found.groups())}}})$"
    return text.str.replace(midnight, "${1}00$2"), text.str.contains(midnight)


def _complete(text: pl.Expr, form: str) -> tuple[pl.Expr, str]:
    """Add to a text and its form what the parser misses: month, day or weekday, minutes, the offset of a zone."""
    if form.endswith("%Z"):
        form = form.removesuffix("%Z").rstrip() + "%z"
        names = text.str.extract(r"([A-Za-z]+)$", 1).str.to_uppercase()
        offset = names.replace_strict(
            {n: f"{h:+03d}00" for n, h in ZONES.items()}, default=None, return_dtype=pl.String
        )
        text = text.str.replace(r"\s*[A-Za-z]+$", "") + offset
    for given, needed, more, first in (
        (r"%[Yy]", r"%[mbBhjUWDFscx]", "%m", "01"), (r"%[mbBh]", r"%[dejDFscx]", "%d", "01"),
        (r"%V", r"%[uwaA]", "%u", "1"), (r"%[HIk]", r"%[MRTsc]", "%M", "00"),
    ):  # fmt: skip
        if re.search(given, form) and not re.search(needed, form):
            text, form = text + f" {first}", f"{form} {more}"
    return text, form


def _parse_iso(cells: pl.Series, time_zone: str, repeated: Repeated) -> pl.Series:
    """ISO 8601: `2020-01`, a date, or a date and time of day, with or without an offset from UTC."""
    parts = cells.str.extract_groups(ISO_PATTERN).struct.unnest()
    hour, minute, second = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hour", "minute", "second"))
    fraction = pl.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    date = (pl.col("date") + pl.col("day").fill_null("-01")).str.to_date("%Y-%m-%d", strict=False)
    time_of_day = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    # ISO 8601 calls midnight at the end of a day 24:00.
    midnight = (hour == 24) & (minute == 0) & (second == 0) & (fraction == 0)
    on_the_clock = ((hour < 24) & (minute < 60) & (second < 60)) | midnight
    naive = pl.when(on_the_clock).then(date.cast(pl.Int64) * 86_400_000_000 + time_of_day)
    digits = pl.col("offset").str.replace(":", "", literal=True).str.slice(1).str.pad_end(4, "0")
    east = (digits.str.slice(0, 2).cast(pl.Int64) * 60 + digits.str.slice(2, 2).cast(pl.Int64)) * 60_000_000
    sign = pl.col("offset").str.slice(0, 1).replace_strict({"+": 1, "-": -1}, default=0, return_dtype=pl.Int64)
    return (
        parts.lazy()
        .with_columns(naive.alias("naive"))
        .select(
            pl.when(pl.col("offset").is_null())
            .then(_to_utc(pl.col("naive").cast(pl.Datetime("us")), time_zone, repeated))
            .otherwise((pl.col("naive") - sign * east.fill_null(0)).cast(_UTC_US))
        )
        .collect()
        .to_series()
    )


def _to_utc(naive: pl.Expr, time_zone: str, repeated: Repeated) -> pl.Expr:
    local = naive.dt.replace_time_zone(time_zone, ambiguous=repeated, non_existent="null")
    return local.dt.convert_time_zone("UTC")


def zone_of(offset: str) -> str:
    """Name the zone that always has this offset, `-05:00`; the offset itself, which is asked about, where none has."""
    hours, minutes = int(offset[:3]), offset[4:]
    if minutes != "00" or not -12 <= hours <= 14:
        return _FIXED.get(offset, offset)
    # The names of fixed zones count hours west of Greenwich.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


def zone_in_name(name: str) -> tuple[str, str] | None:
    """Find a zone in the name of a column: the text that says it, and its name; None where there is none."""
    # First, as `Etc/GMT+5` lies west of Greenwich and `GMT+5` east.
    for whole in re.finditer(r"[A-Z][A-Za-z]+(?:/[A-Z][\w+-]+)+", name):
        with suppress(ZoneInfoNotFoundError, OSError):  # `America/Argentina` is a folder of zones
            return whole[0], ZoneInfo(whole[0]).key
    if found := _OFFSET.search(name):
        sign = "+" if found[1] == "+" else "-"
        return found[0], zone_of(f"{sign}{int(found[2]):02d}:{found[3] or '00'}")
    words = re.findall(r"(?<![A-Za-z])[A-Z]{3,4}(?![A-Za-z])", name)
    both = re.search(r"(?<![A-Za-z])([A-Z]{3,4})\s*/\s*([A-Z]{3,4})(?![A-Za-z])", name)
    if both and (zone := CHANGING.get(f"{both[1]}/{both[2]}")):
        return both[0], zone
    told = next((word for word in words if word in _HOURS), None)
    if told is None:
        return None
    minutes = round(_HOURS[told] * 60)
    return told, zone_of(f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}")
