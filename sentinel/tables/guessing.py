"""Roles of the columns of a table, guessed: time, its form, flags. Of two possible readings the error has both."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, product
from typing import Any

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import UNNAMED, TableOptions, matches, without_number, without_unit
from sentinel.tables.clocks import (
    has_clock,
    is_hour,
    is_of_clock,
    is_of_digits,
    is_whole,
    numbers_of,
    rises_by_one,
    with_hour,
)
from sentinel.tables.columns import is_flag
from sentinel.tables.decimals import ENOUGH_ROWS, texts_of
from sentinel.tables.dialects import UnfinishedError
from sentinel.tables.dialects.base import is_number
from sentinel.tables.forms import ISO, STEPS, common_forms, form_of_clock, forms_of
from sentinel.tables.months import find_months
from sentinel.tables.refusals import DECIMAL_YEAR, are_years, refuse_times_as_names
from sentinel.tables.times import ZONES, instant

_TIME_NAMES = (
    r"(iso[ _]?(8601)?[ _]?)?date[ _]?time.*", r"time[ _]?stamp.*",
    r"(sampl\w+|observation|measurement)?[ _]?time([ _(\[:].*)?", r"date([ _(\[].*)?",
    r"datum|fecha|zeit(stempel)?|tijd|day|utc|ts|epoch.*|unix.*", r".*(date|datum|timestamp|tmstamp|fecha).*",
    r"(.*[ _])?m?jd([ _(\[].*)?|(.*[ _])?julian([ _](day|date)s?)?|(matlab[ _]?)?(date|serial)[ _]?num(ber)?",
    r"(yyyy|aaaa|jjjj)[-_/.]?mm([-_/.]?(dd|jj|tt)([-_ t]?hh(:?m[mi])?(:?ss)?)?)?",
)  # fmt: skip
"""Names of time columns, those that say most first."""
_OF_THE_FILE = (
    r".*(modif|updat|upload|retriev|import|export|creat|debut|fin_|start|begin|end|stop|releas|process|edit|enter|"
    r"receiv|arriv|downloa|first|last|publi|inser|ingest|sync|analy[sz]|prepar|extract|calibrat|install|deploy|expir|birth).*"
)
"""Names of times of a record or a file: of several columns of times these are the observations' last of all."""
_CLOCK_NAMES = (
    r"(?!.*(sun|moon|tide|dawn|dusk)).*(time|hour|clock|zeit|hora|heure|tijd|utc|gmt|hh).*|"
    r"(ora|tid|klo|kl\.?|czas|godzina|aika)([ _(\[].*)?"
)
"""Names of a time of day that belongs to a date beside it; that of a sunrise does not."""
_DAY_NAMES = r"date|day|datum|fecha|^(data|dato|dag|dia|jour|tag|giorno|pvm|p\u00e4iv\u00e4\w*)\b"
"""Names of dates that have no time of day of their own."""
_NUMBER_NAMES = r"y?b2k|(age|years?|yr|yrs|time|t|step|tick)([ _(\[.:].*|bp|ce|ad)?"
_PARTS = (
    (("#yy", "yy", "yyyy", "#yyyy", "year", "yr", "jahr", "ann\u00e9e", "annee", "a\u00f1o", "ano", "vuosi"), "%Y"),
    (("month", "mon", "mo", "mm", "monat", "mois", "mes", "m\u00eas", "kuukausi", "m"), "%m"),
    (("day", "dd", "dy", "dom", "tag", "jour", "dia", "d\u00eda", "p\u00e4iv\u00e4", "d"), "%d"),
    (("hour", "hr", "hh"), "%H"), (("minute", "min", "mn"), "%M"),
    (("second", "sec", "ss"), "%S"),
)  # fmt: skip
_NOT_ALONE = (("d", {"m"}), ("m", {"d"}), ("tag", {"monat", "jahr"}), ("dia", {"mes", "m\u00eas"}))
"""Parts that may be something else, such as a mass or a diameter, where none of the others is there."""
_MOST = {"d": 31, "m": 12}
"""The largest number of those parts that are letters; beside a year, a mass and a diameter may be there both."""
_DAY_OF_YEAR = ("doy", "jday", "julian_day", "day_of_year", "yday", "jd", "julian", "dayofyear", "yearday")
_FLAG_ENDINGS = (
    "_qual", "_qc", "_flag", "_flags", "_cd", "_qa", "_quality", "_qc_agg", "_qc_tests", "_qartod", "_f", " qc",
    "_quality_control", "_qc_executed", "_qc_results",
    " flag", " flags", " quality", " quality code", "_attributes", "_qualifier", " qualifier", " qc flag",
    "finalqf",
)  # fmt: skip
_FLAGS_OF_ALL = (
    "quality code", "quality_code", "qcode", "qc", "qf", "finalqf", "flag", "flags", "quality flag", "quality_flag",
    "qa/qc", "validit\u00e9", "qualit\u00e9",
)  # fmt: skip
"""Names of a flag of all values of a row."""
_OF_NEON = re.compile(".*[a-z]QF")
"""Quality flags of the National Ecological Observatory Network; 0 is good in `FinalQF`, which sums up."""
_FLAG_STARTS = ("f_", "q_", "qc_", "flag_", "qv:")
_ROW_NUMBERS = ("record", "#", "rownames", "rn", "recnbr", "recno", "entry_id")
_PERHAPS_ROW_NUMBERS = ("nr", "nr.", "lfd. nr.", "no.", "n\u00b0", "record number")
"""Names of row numbers where they rise by one; else of counts."""
_ZONE_NAMES = r"(.*[ _/])?(tz|tz_cd|time_?zone(_?code)?|zone)"
_DATE_PARTS = 3
"""Year, month and day."""
SMALLEST_SHARE = 0.9
_COLUMNS_NAMED = 12
_CODES_NAMED = 6


def find_time(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, *, growing: bool = False
) -> str | tuple[str, ...]:
    """Name the columns that make the time, one of zones such as `PST` included; as it is where none is found.

    UnfinishedError: the few rows of a growing file do not say whether a column of hours belongs to it.
    """
    found = _find_time(head, names, options, growing=growing)
    zones = [name for name in names if re.fullmatch(_ZONE_NAMES, name.lower()) and _is_of_zones(head[name], options)]
    columns = (found,) if isinstance(found, str) else found
    parts = _find_parts(head, [name for name in columns if name in names], options)
    return (*columns, zones[0]) if zones and set(columns) <= set(names) and not parts else found


def _is_of_zones(cells: pl.Series, options: TableOptions) -> bool:
    texts = texts_of(cells, options).unique() if cells.dtype == pl.String else cells.head(0)
    return bool(texts.len()) and all(text.upper() in ZONES for text in texts)


def _find_time(
    head: pl.DataFrame, names: Sequence[str], options: TableOptions, *, growing: bool
) -> str | tuple[str, ...]:
    def looks(name: str) -> bool:
        return _looks_like_time(head[name], options)

    clocks = _find_clocks(head, names, options, growing=growing)
    if clocks and not (options.time_name in names and looks(options.time_name)):
        if whole := [name for name in names if is_named_time(name) and looks(name) and has_clock(head[name])]:
            return _utc_first(whole)[0]
        if (parts := _find_parts(head, names, options)) and (
            len(parts) == _DATE_PARTS or parts[-1].lower() in _DAY_OF_YEAR
        ):
            return (*parts, clocks[0])
        days = [name for name in names if re.search(_DAY_NAMES, name.lower()) and looks(name)]
        days = [name for name in days if not has_clock(head[name])]
        days = _utc_first(days) if _says_utc(clocks[0]) else days
        if days:
            return days[0], clocks[0]
        if is_of_clock(head[clocks[0]], options):
            return options.time_column
    if options.time_name in names:
        return options.time_column
    if parts := _find_parts(head, names, options):
        return parts
    observed = [name for name in names if not re.fullmatch(_OF_THE_FILE, name.lower())]
    for some, pattern in product((observed, names), _TIME_NAMES):
        if found := [name for name in some if re.fullmatch(pattern, name.lower().lstrip("# ")) and looks(name)]:
            return with_hour(head, _utc_first(found)[0], names, options, growing=growing)
    if found := [name for name in (*observed, *names) if looks(name) and not _is_whole_number(head[name])]:
        return with_hour(head, found[0], names, options, growing=growing)
    numbers = [name for name in names if re.fullmatch(DECIMAL_YEAR, name.lower())]
    numbers += [name for name in names if re.fullmatch(_NUMBER_NAMES, name.lower())]
    return next((name for name in numbers if _runs_on(head, name, options)), options.time_column)


def _find_clocks(head: pl.DataFrame, names: Sequence[str], options: TableOptions, *, growing: bool) -> list[str]:
    """Name the columns of times of day, those in UTC first; UnfinishedError as `is_of_digits`."""
    clocks = [name for name in names if re.fullmatch(_CLOCK_NAMES, name.lower()) and is_of_clock(head[name], options)]
    if not clocks:
        days = [name for name in names if is_named_time(name) and _looks_like_time(head[name], options)]
        waiting = growing and not any(has_clock(head[name]) for name in days)
        days = days or [*(_find_parts(head, names, options) or ())]
        waiting = waiting and bool(days) and head.select(days).n_unique() <= 1  # a second day tells
        clocks = [name for name in names if is_of_digits(head, name, options, growing=waiting)]
    return _utc_first(clocks)


def _runs_on(head: pl.DataFrame, name: str, options: TableOptions) -> bool:
    """False for numbers called `T` that go up and down: they may be temperatures."""
    if not name.startswith("T") or name.lower().startswith("time"):
        return True
    falling = falling_share(numbers_of(head, name, options))
    return falling is not None and not 1.0 - SMALLEST_SHARE < falling < SMALLEST_SHARE


def falling_share(numbers: pl.Series) -> float | None:
    """Give the share of the steps that fall; None where there are fewer than two."""
    steps = numbers.diff().drop_nulls()
    steps = steps.filter(steps != 0)
    return float((steps < 0).mean()) if steps.len() > 1 else None  # type: ignore[arg-type]


def _utc_first(names: list[str]) -> list[str]:
    """Take the times in UTC where a table has them in local time too: no zone has to be named for those."""
    return sorted(names, key=lambda name: not _says_utc(name))


def _says_utc(name: str) -> bool:
    return re.search(r"(?<![a-z])(utc|gmt)(?![a-z]|\s*[-+\u2212\u2013]?\d)", name.lower()) is not None


def _looks_like_time(cells: pl.Series, options: TableOptions) -> bool:
    if cells.dtype.is_temporal():
        return cells.dtype != pl.Time  # of which a date is missing
    forms = [forms_of(cell) for cell in texts_of(cells, options).head(20)]
    told = sum(bool(form) and form != [STEPS] for form in forms)
    return bool(forms) and told >= SMALLEST_SHARE * len(forms)  # among them may be a note


def note_clocks(head: pl.DataFrame, names: Sequence[str], options: TableOptions) -> list[str]:
    """Say which columns of times of day are not added to a time that is a date alone."""
    own = options.time_column
    if not isinstance(own, str) or not _looks_like_time(head[own], options) or has_clock(head[own]):
        return []
    clocks = [name for name in names if name != own and is_of_clock(head[name], options)]
    return [
        f"times of day, not used: {name}; to add it to the date: --time-column {shlex.quote(own)} "
        f"--time-column {shlex.quote(name)}"
        for name in clocks
    ]


def is_named_time(name: str) -> bool:
    """True for a name that columns of times have."""
    return any(re.fullmatch(pattern, name.lower().lstrip("# ")) for pattern in _TIME_NAMES)


def _find_parts(head: pl.DataFrame, names: Sequence[str], options: TableOptions) -> tuple[str, ...] | None:
    """Name the columns of year, month, day, hour, minute and second, or of year and day of the year."""
    lower = {name.lower(): name for name in reversed(names)}
    for name, mates in _NOT_ALONE:
        is_part = name not in _MOST or (name in lower and is_whole(head, lower[name], _MOST[name], options))
        if not (lower.keys() & mates and is_part):
            lower.pop(name, None)
    parts = [next((lower[one] for one in known if one in lower), None) for known, _ in _PARTS]
    whole = tuple(part for n, part in enumerate(parts) if part and all(parts[:n]))
    if len(whole) >= len(("year", "month")):
        return whole
    year, day = parts[0], next((lower[one] for one in _DAY_OF_YEAR if one in lower), None)
    if year is None or day is None:
        return None
    hour, minute = parts[3:5]
    return (year, day, *((hour,) if hour else ()), *((minute,) if hour and minute else ()))


def _is_whole_number(cells: pl.Series) -> bool:
    """True for cells that are digits only: without a name that says so they are no dates."""
    first = cells.drop_nulls().head(1).cast(pl.String).to_list()
    return not first or re.fullmatch(r"\s*[\d.eE+]+\s*", first[0]) is not None


def refuse_headerless(head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str) -> None:
    """Raise DataError where the names are times or numbers: the first row would be lost as a header."""
    timed = set(options.time_columns) <= set(names)
    timed = timed and any(_looks_like_time(head[name], options) for name in options.time_columns)
    refuse_times_as_names(names, options, where, timed=timed)
    own = [name for name in names if not name.startswith(UNNAMED)]
    told = next((name for name in options.time_columns if name in own and forms_of(name)), None)
    numbers = len(own) > 1 and 2 * sum(is_number(name) for name in own) > len(own)
    if not set(options.time_columns) <= set(own):
        told = next((name for name in own if set(forms_of(name)) - {STEPS}), None)
    elif told is None and all(map(is_named_time, options.time_columns)):
        return  # depths, `0.5`, are names
    if told is not None or (numbers and options.layout == "auto" and not find_months(own)):
        first = told or own[0]
        raise DataError(
            f"{where}: the first line holds data ({first!r}), not names; name its {len(names)} columns in order: "
            "--names time --names ... If the names stand in a comment: --comment none"
        )


def find_form(head: pl.DataFrame, options: TableOptions, where: str, *, growing: bool = False) -> dict[str, Any]:
    """Tell the form of the times by the first row that decides it; DataError with both readings where none does.

    UnfinishedError: the few rows of a growing file hold no time in any form yet.
    """
    cells = head[options.time_name]
    if options.time_format is not None or cells.dtype.is_temporal():
        return {}
    if re.fullmatch(DECIMAL_YEAR, options.time_name.lower()) and are_years(head, options.time_name, options):
        return {"time_format": "years"}
    if len(options.time_columns) > 1 and (form := _form_of_parts(head, options)):
        return {"time_format": form}
    texts = texts_of(cells, options)
    forms = common_forms(texts)
    if len(forms) == 1 and re.search(r"[T ]%H$", forms[0]) and texts.str.contains(r"[T ]\d{3,4}$").any():
        forms = [f"{forms[0]}%M"]  # a logger's 15, a quarter past midnight, looks like an hour
    if growing and not forms and head.height < ENOUGH_ROWS:
        raise UnfinishedError
    if len(forms) > 1 and (named := [form for form in forms if _is_named_form(form, options.time_name)]):
        forms = named[:1]
    if len(forms) > 1:
        cells = texts.unique(maintain_order=True)
        read = pl.DataFrame(
            {form: pl.select(instant(pl.lit(cells), pl.String(), replace(options, time_format=form))) for form in forms}
        )
        # Where all readings agree, as on the first of January, nothing would be seen.
        differ = read.filter(pl.any_horizontal(pl.col(forms[0]).ne_missing(pl.col(one)) for one in forms[1:])).head(3)
        readings = []
        for form in forms:
            shown = ", ".join(str(time)[:16] if time else "not a time" for time in differ[form])
            readings.append(f"--time-format {shlex.quote(form)} ({shown})")
        raise DataError(
            f"{where}: times such as {texts[0]!r} can be read in {len(forms)} ways, and no row decides; "
            f"say which with {', or '.join(readings)}"
        )
    return {"time_format": forms[0]} if forms and forms[0] not in (ISO, STEPS) else {}


def _is_named_form(form: str, name: str) -> bool:
    """True where the name of the times writes the order of the date, as in `Date (MM/DD/YYYY)`, or it is ENTSO-E's."""
    if re.match(r"MTU\b", name):
        return form.startswith("%d")
    found = re.search(r"(yyyy|yy|mm|dd)([-/. ])(mm|dd)\2(yyyy|yy|mm|dd)", name.lower())
    if found is None:
        return False
    codes = {"yyyy": "y", "yy": "y", "mm": "m", "dd": "d"}
    wanted = [codes[found[n]] for n in (1, 3, 4)]
    return [letter.lower() for letter in re.findall(r"%([Yymd])", form)] == wanted


def _form_of_parts(head: pl.DataFrame, options: TableOptions) -> str | None:
    forms: list[str] = []
    with_hour = any(is_hour(name) or is_of_digits(head, name, options) for name in options.time_columns)
    for name in options.time_columns:
        form = next((form for known, form in _PARTS if name.lower() in known), None)
        form = None if form == "%d" and _looks_like_time(head[name], options) else form  # `Tag` of a whole date
        if is_of_clock(head[name], options):
            form = form_of_clock(texts_of(head[name], options)[0])
        elif form is None and (is_hour(name) or is_of_digits(head, name, options)):
            form = "%H%M" if is_of_digits(head, name, options) else "%H"
        form = "%j" if name.lower() in _DAY_OF_YEAR else "%M" if name.lower() == "mm" and "%H" in forms else form
        if form is None and with_hour and len(dates := common_forms(texts_of(head[name], options))) == 1:
            form = "%Y-%m-%d" if dates[0] == ISO else dates[0]
        if form is None:
            return None
        forms.append(form)
    return " ".join(forms)


def find_flags(
    names: Sequence[str], head: pl.DataFrame, options: TableOptions, good: str = ""
) -> tuple[TableOptions, list[str]]:
    """Leave out columns of flags, by their names, and numbers of rows; say how the flags can be used.

    `good` are flags with the codes that the documentation of this kind of file calls good, such as `*_QC=0`.
    """
    lower = {one.lower() for name in names for one in (name, without_unit(name))}
    patterns: dict[str, list[str]] = {}
    for name in names:
        own = without_number(name) if without_number(name) in names else name
        low = own.lower()
        mates = [(low.removesuffix(end), "*" + own[-len(end) :]) for end in _FLAG_ENDINGS if low.endswith(end)]
        mates += [(low.removeprefix(start), own[: len(start)] + "*") for start in _FLAG_STARTS if low.startswith(start)]
        mates += [(low, own)] if low in _FLAGS_OF_ALL or _OF_NEON.fullmatch(own) else []
        for mate, pattern in mates:
            known = is_flag(name, options.flags) or any(matches(name, one) for one in options.exclude)
            if (mate in lower or pattern == own) and not known:
                patterns.setdefault(pattern, []).append(name)
                break
    said = [_say_flags(pattern, head.select(columns), good) for pattern, columns in patterns.items()]
    numbers = [
        name for name in names
        if (name.lower() in _ROW_NUMBERS and not name.startswith(UNNAMED))
        or (name.lower() in _PERHAPS_ROW_NUMBERS and rises_by_one(numbers_of(head, name, options)))
    ]  # fmt: skip
    left = [name for name in (*chain.from_iterable(patterns.values()), *numbers) if name not in options.exclude]
    if numbers := [name for name in numbers if name in left]:
        said.append(f"row number, no series: {', '.join(numbers)}")
    return replace(options, exclude=(*options.exclude, *left)), said


def _say_flags(pattern: str, flags: pl.DataFrame, good: str) -> str:
    """Count the codes of each flag column. A frequent code need not be a good one: only a known one is proposed."""
    counted = []
    for name in flags.columns[:_COLUMNS_NAMED]:
        texts = flags[name].cast(pl.String).fill_null("").str.strip_chars().str.replace(r"\.0+$", "")
        counts = texts.value_counts(sort=True, name="n")
        codes = [
            f"{code or 'empty'} x{count:,}" for code, count in counts.sort("n", name, descending=[True, False]).rows()
        ]
        more = f" and {len(codes) - _CODES_NAMED:,} other codes" if len(codes) > _CODES_NAMED else ""
        counted.append(f"{name} ({', '.join(codes[:_CODES_NAMED])}{more})")
    more = f" and {flags.width - _COLUMNS_NAMED:,} more columns" if flags.width > _COLUMNS_NAMED else ""
    told = f"flags, not used: {', '.join(counted)}{more}, in the first {flags.height:,} rows"
    good = f"{pattern}=qartod" if pattern.lower().endswith("_qc_agg") else good
    good = f"{pattern}=0" if pattern == "*FinalQF" else good
    if good.rpartition("=")[0] == pattern:
        return f"{told}; good by the documentation of such files: --flags {shlex.quote(good)}"
    return f"{told}; which codes mean good is yours to say: --flags {shlex.quote(f'{pattern}=CODE,CODE')}"
