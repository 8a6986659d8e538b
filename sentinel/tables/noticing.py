"""Second readings of a table's names and first rows: taken, or said."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, ROW, UNNAMED, TableOptions, matches, number
from sentinel.tables.clocks import is_of_clock, numbers_of, rises_by_one
from sentinel.tables.columns import is_flag
from sentinel.tables.decimals import texts_of
from sentinel.tables.forms import SPAN_ZONE
from sentinel.tables.months import VALUE, find_months
from sentinel.tables.naming import NO_SERIES, is_one_of
from sentinel.tables.repeated import is_fixed
from sentinel.tables.times import ISO_PATTERN, instant, this_year, zone_in_name

_SHOWN = 3
_ZONE_LINE = re.compile(r"time ?zone|zeitzone|fuseau|zona horaria|(UTC|GMT) ?[-+]\d", re.IGNORECASE)
_SAYS_UTC = re.compile(r"(UTC|GMT|[Zz]ulu)\W*$")
_YEARS = r"(year|yr|jahr|annee|año|ano)s?"


def take_zone(options: TableOptions, where: str, unit: str) -> tuple[TableOptions, list[str]]:
    """Take the zone of the times from the name of their column, or from the unit that stands below it.

    DataError: no zone has that offset all year.
    """
    found = zone_in_name(options.time_name) or zone_in_name(unit)
    where_told = f"stands in the name of the times{' or below it' * bool(unit)}"
    if options.time_zone != TableOptions().time_zone:
        same = found is None or found[1] in (options.time_zone, options.time_zone.removeprefix("Etc/"))
        told = "" if same or found is None else f"zone: {found[0]!r} {where_told}, which would be {found[1]}"
        return options, [f"{told}; read as {options.time_zone}, as --time-zone says"] if told else []
    if found is None:
        local = re.search(r"(?<![A-Za-z])(LST|[Ll]ocal|LOCAL)(?![A-Za-z])", options.time_name)
        if local is None:
            return options, []
        return options, [f"{local[0]!r} in the name of the times says that they are local: --time-zone; read as UTC"]
    told, zone = found
    refuse_nameless_zone(zone, where)
    if zone == options.time_zone:
        return options, []
    is_place = "/" in told and not is_fixed(zone)
    how = "so they are what clocks there show" if is_place else "so they are that far from UTC, in summer and in winter"
    return replace(options, time_zone=zone), [f"zone: {told!r} {where_told}, {how}: {zone}"]


def zone_behind_range(cells: pl.Series) -> str:
    """Give the zone that stands behind the first range of times; empty where there is none."""
    text = str(cells.drop_nulls().head(1).to_list()[:1])
    return found[1] if (found := re.search(rf"\d - .*\d \({SPAN_ZONE}\)", text)) else ""


def note_zone(titles: Sequence[str], options: TableOptions) -> list[str]:
    """Say which line above the names speaks of a zone, which is not used."""
    said = [line.strip(' ,;\t#"') for line in titles if _ZONE_LINE.search(line) and not _SAYS_UTC.search(line)]
    return [f"above the names stands {said[0]!r:.80}: --time-zone; read as {options.time_zone}"] if said else []


def refuse_nameless_zone(zone: str, where: str) -> None:
    """Raise DataError where a zone is a mere offset, which no zone with a name has all year."""
    if zone[:1] in ("+", "-"):
        raise DataError(
            f"{where}: its times are {zone} from UTC, an offset that no zone with a name has all year; "
            "export it again with whole hours, or, if none of it is in summer time, name a zone with --time-zone"
        )


def turn_months(names: Sequence[str], options: TableOptions) -> tuple[TableOptions, list[str]]:
    """Recognise a table of a row for each year and a column for each month."""
    if options.layout != "auto" and options.layout != "months":
        return options, []
    months = find_months(names)
    year = next((name for name in names if re.fullmatch(_YEARS, name.strip().lower())), None)
    year = options.time_name if options.time_name in names and options.layout == "months" else year
    if months is None or year is None or options.columns is not None:
        return options, []
    others = [n for n in names if n not in months and n not in (year, *options.by) and not n.startswith(UNNAMED)]
    said = [
        f"a row for each year, a column for each month: one series, {VALUE!r}; for one of each month: --layout wide"
    ]
    if others:
        said.append(f"not months, no series: {', '.join(others[:12])}{', ...' if len(others) > 12 else ''}")
    return replace(options, layout="months", time_column=year), said


def leave_out_places(head: pl.DataFrame, names: Sequence[str], options: TableOptions) -> tuple[TableOptions, list[str]]:
    """Exclude the columns of numbers whose names say where, when or which, not what was measured, and say so."""
    own = {*options.time_columns, options.time_name, *options.by, *(options.columns or ())}
    found = [
        name for name in names if name not in own and is_one_of(name, NO_SERIES) and not _has_text(head, name, options)
    ]
    found = [name for name in found if not any(matches(name, one) for one in options.exclude)]
    if options.layout == "long" or not found or len(found) + len(own & set(names)) >= len(names):
        return options, []
    said = f"no series by their names (where, when, which): {', '.join(found)}; to judge them all the same: --columns"
    return replace(options, exclude=(*options.exclude, *found)), [said]


def _has_text(head: pl.DataFrame, name: str, options: TableOptions) -> bool:
    """True for names of stations, which are no numbers; such a column can tell series apart."""
    if head[name].dtype != pl.String:
        return False
    texts = texts_of(head[name], options)
    return bool(texts.to_frame().select(number(pl.col(name), pl.String(), options)).to_series().null_count())


def note_twins(names: Sequence[str]) -> list[str]:
    """Say which columns were numbered as they have the name of another one."""
    twins = [name for name in names if (found := re.fullmatch(r"(.+) \(\d+\)", name)) and found[1] in names]
    return [f"columns of one name are numbered from left to right: {', '.join(twins)}"] if twins else []


def refuse_clock_alone(head: pl.DataFrame, names: Sequence[str], options: TableOptions, where: str) -> None:
    """Raise DataError where the only times are times of day."""
    if set(options.time_columns) <= set(names):
        return
    # In one pass over all columns, as most tables have none; a column at a time takes a minute for 100,000 of them.
    colons = head.select(pl.col(pl.String).str.contains(":", literal=True).any()).to_dicts()
    marked = {name for row in colons for name, found in row.items() if found}
    clock = next((name for name in names if name in marked and is_of_clock(head[name], options)), None)
    if clock is not None:
        raise DataError(
            f"{where}: column {clock!r} holds times of day without a date; a column of dates is needed beside it"
        )


def note_unnamed(head: pl.DataFrame, options: TableOptions) -> Iterator[str]:
    """Say which columns have no name and are no series; rows numbered one by one are no news."""
    own = [name for name in head.columns if name not in (ROW, MORE)]
    for at, name in enumerate(own, 1):
        if not name.startswith(UNNAMED) or name in options.time_columns:
            continue
        values = numbers_of(head, name, options)
        if values.is_empty() or (at == 1 and values.len() > 1 and rises_by_one(values)):
            continue
        shown = ", ".join(f"{value:g}" for value in values.head(_SHOWN))
        yield f"column {at} has no name and is no series ({shown}, ...): give it one in the header to have it read"


def note_limits(head: pl.DataFrame, options: TableOptions) -> Iterator[str]:
    """Say which column of text says that values beside it are limits of detection, which are taken as they stand."""
    counts = head.select(pl.col(pl.String).str.strip_chars().eq("<").sum()).to_dicts()
    for name, count in counts[0].items() if counts else ():
        if count and not is_flag(name, options.flags):
            yield (
                f"column {name!r} holds '<' beside {count:,} of the first {head.height:,} values: these are limits of "
                f"detection, taken as they stand; to leave them out: --flags {shlex.quote(f'{name}=')}"
            )


def note_times(head: pl.DataFrame, options: TableOptions) -> Iterator[str]:
    """Say where times need a guess: years of two digits that lie ahead, offsets that only some of them have."""
    cells = head[options.time_name]
    if cells.dtype != pl.String:
        return
    texts = texts_of(cells, options)
    if options.time_format is None:
        on_clock = texts.filter(texts.str.contains(ISO_PATTERN) & texts.str.contains(":", literal=True))
        offsets = on_clock.str.extract_groups(ISO_PATTERN).struct.field("offset")
        without = offsets.null_count()
        if 0 < without < offsets.len():
            yield (
                f"times with and without an offset from UTC: {without:,} of the first {offsets.len():,} have none; "
                f"they are read in {options.time_zone}, as --time-zone says"
            )
    elif "%y" in options.time_format:
        read = pl.DataFrame({"text": texts}).select("text", time=instant(pl.col("text"), pl.String(), options))
        former = read.filter(pl.col("time").dt.year() < 2000)
        if former.height:
            text, time = former.row(0)
            last = this_year() % 100
            yield f"years of two digits up to {last:02d} are 20yy, the others 19yy: {text} is {time:%Y-%m-%d}"
