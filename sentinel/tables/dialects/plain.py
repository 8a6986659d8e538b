"""Any other table, as spreadsheets, R and pandas write it: its separator, and the lines before its names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median_high

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, is_number, split

SEPARATORS = (",", ";", "\t", "|", "whitespace")
ENOUGH = 4
"""Lines from which a title above the names is told from a broken row below them."""
_LOOKED_AT = 200
_MOMENT = re.compile(r"\d{1,4}[-/]\d{1,2}[-/]\d{1,4}|\d{1,2}:\d{2}")
_DATE_WITHIN = re.compile(r"\s\d{1,4}([-/.])\d{1,2}\1\d{1,4}\s+[-+.]?\d")
_UNIT = re.compile(
    r"UTC|TS|deg\s?[CF]?|[%‰°º].{0,3}|[hk]?Pa|m?bar|PSU|ppt|pp[mb]|[FN]TU|[mµ]?S/?\w*|"
    r"\W?[cmknµ]?[mgsVWlLKA][23²³]?(\s?[-/ ]?\s?\w{1,4}[-23²³]*)?"
)
"""A unit, or what stands in its row above or below the times."""
_POWER = re.compile(r"10(\^|\*\*)-?\d+\s*/?\s*[^\W\d]")
_END_OF_HEADER = re.compile(r"#*[\s#=*-]*((end[ _-]*(of[ _-]*)?header)[\s#=*-]*)?", re.IGNORECASE)
_GOES_ON = 0.8
"""Share of the rows behind the names that have as many fields."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    rows = [(n, line) for n, line in enumerate(lines[:_LOOKED_AT]) if line.strip() and not line.startswith("#")]
    if not rows:
        return {}
    if patch := _find_commented(lines, rows[0][0]):
        return patch
    for separator in SEPARATORS:
        first = split(rows[0][1], separator)
        if len(first) > 1 and all(map(is_number, first)):
            return {"separator": separator}  # no line of names, which is asked for
    best: tuple[tuple[bool, bool, int], int, str] | None = None  # rank, number of the header among the rows, separator
    for separator in SEPARATORS:
        fields = [split(line, separator) for _, line in rows]
        header = _find_header(fields)
        if header is None or is_number(fields[header][0]):
            continue
        if (
            separator == "whitespace"
            and best
            and 2 * sum(any(map(_holds_columns, row)) for row in fields) > len(fields)
        ):
            continue
        # Rows that go on as they begin, a header in the first line, then the most columns; at equals the earlier one.
        rank = not _goes_on(fields, header), header > 0, -len(fields[header])
        if best is None or rank < best[0]:
            best = rank, header, separator
    if best is None:
        if 1 < len(rows) < ENOUGH:
            raise UnfinishedError
        several = next((one for one in SEPARATORS[:-1] if sum(map(bool, split(rows[0][1], one))) > 1), None)
        return {"separator": several} if several else {}
    return _describe_rows(rows, *best[1:])


def _describe_rows(rows: Sequence[tuple[int, str]], header: int, separator: str) -> Patch:
    """Give the options of a table whose names begin in one of these numbered lines."""
    names, *below = (split(line, separator) for _, line in rows[header : header + 3])
    units = _count_units(below)
    if stacked := stack_names([names, *below]):
        if len(below) < len(("names", "units")):
            raise UnfinishedError
        return {"separator": separator, "skip_rows": rows[header + stacked[0] - 1][0] + 1, "names": stacked[1]}
    if units and not names[0] and all(below[0]) and _count_as_units(names) > _count_as_units(below[0]):
        header, units = header + 1, 0  # the units stand above the names
    return (
        {"separator": separator}
        | ({"skip_rows": rows[header][0]} if header else {})
        | ({"unit_rows": units} if units else {})
    )


def _holds_columns(field: str) -> bool:
    """True for a field that commas or semicolons cut on: blanks do not separate the columns."""
    return len(re.findall(r"[,;]", field)) > 1 and not is_number(field)


def _count_as_units(fields: Sequence[str]) -> int:
    """Count the fields that are written as units are."""
    return sum(_UNIT.fullmatch(field) is not None for field in fields)


def _count_units(below: Sequence[Sequence[str]]) -> int:
    """Count the rows of units below the names, of which there is one or none."""
    if not below or not is_units(below[0]):
        return 0
    if len(below) == 1:
        raise UnfinishedError
    return int(not is_units(below[1]))


def stack_names(rows: Sequence[Sequence[str]]) -> tuple[int, tuple[str, ...]] | None:
    """Join names that stand in two rows, `North` merged above `Temp` and `pH`, and units below: how many rows, names.

    None where the first row leaves out no column, or the second one holds values.
    """
    above, under, third = [*rows, [], []][:3]
    gaps = [n for n, name in enumerate(above) if not name and any(under[n : n + 1])]
    if not any(n and above[n - 1] for n in gaps) or any(map(_MOMENT.match, under)) or len(above) != len(under):
        return None
    if under[0] and any(map(is_number, under)):
        return None  # a row; depths may stand below a name
    units = third if is_units(third) and len(third) == len(above) else [""] * len(above)
    groups = [next((one for one in above[n::-1] if one), "") for n in range(len(above))]
    names = [f"{group} {name}".strip() if name else own for group, name, own in zip(groups, under, above, strict=True)]
    written = tuple(f"{name} [{unit}]" if unit else name for name, unit in zip(names, units, strict=True))
    return (3 if any(units) else 2, written) if all(names) else None


def find_separator(lines: Sequence[str], columns: int) -> Patch:
    """Find the separator that cuts most lines into so many fields."""
    rows = [line for line in lines[:_LOOKED_AT] if line.strip() and not line.startswith("#")]
    fits = {one: sum(len(split(line, one)) == columns for line in rows) for one in SEPARATORS}
    best = max(fits, key=lambda one: fits[one])
    return {"separator": best} if fits[best] else {}


def is_units(fields: Sequence[str]) -> bool:
    """True for a row that has words and not one number or date; `10^6 km2` is a unit."""
    return any(fields) and not any(field.lstrip("+-<>.")[:1].isdigit() for field in fields if not _POWER.match(field))


def _find_commented(lines: Sequence[str], first: int) -> Patch | None:
    """Find names in the comment above the first row, `#time,ph`, where that row holds data and fits them."""
    # Behind the names may be a blank one, or one that ends the header.
    at = next((n for n in range(first - 1, -1, -1) if not _END_OF_HEADER.fullmatch(lines[n])), 0)
    if not first or not lines[at].startswith("#"):
        return None
    ended = any(re.search(r"\w", line) for line in lines[at + 1 : first])
    for separator in SEPARATORS[:-1]:
        names, cells = split(lines[at], separator), split(lines[first], separator)
        is_data = lines[first][:1].isdigit() or 2 * sum(map(is_number, cells)) > len(cells)
        # Above a blank comment may stand prose: `# Buoy data, version 2`.
        is_prose = at < first - 1 and not ended and any(re.search(r"\w\s+\w", name.lstrip("# ")) for name in names)
        if len(names) == len(cells) > 1 and all(names) and is_data and not is_prose and not any(map(is_number, names)):
            if ended and '"' in lines[at]:
                return {"separator": separator, "skip_rows": first, "names": tuple(name.strip('#" ') for name in names)}
            return {"separator": separator, "comment": None, "skip_rows": at, "unit_rows": first - 1 - at}
    return None


def _find_header(fields: Sequence[Sequence[str]]) -> int | None:
    """Find the first row from which on the next ones have as many fields; None if there is none of two or more.

    A title that a spreadsheet filled up with separators is no header, nor is a row with numbers or mostly blanks.
    """
    counts = [1 if row[0] and not any(row[1:]) else len(row) for row in fields]
    first = counts[0] > 1 and (len(counts) == 1 or counts[0] == len(fields[1]))
    # Names of groups above the names, as merged cells leave them, are mostly blanks above columns that are not empty.
    used = median_high(max((n for n, field in enumerate(row, 1) if field), default=0) for row in fields)
    first = first and (2 * sum(map(bool, fields[0])) > used or not all(row[0] for row in fields[1:2]))
    found = [0] if first and not any(map(_MOMENT.match, fields[0])) else []
    below = [n for n in range(1, len(counts) - 2) if 1 < counts[n] == len(fields[n + 1]) == len(fields[n + 2])]
    # Two sites may share their names; of a file that grows the real names may come next.
    shared = [n for n in below if n + ENOUGH < len(counts) and _has_names(fields[n], twins=True)]
    found += [n for n in below if _has_names(fields[n])] or shared
    if not found:  # a header with a name too few, of which recognising says what it may mean
        found = [n for n in range(len(counts) - 2) if 1 < counts[n] == counts[n + 1] - 1 and _has_names(fields[n])]
        found = [n for n in found if len({*counts[n + 1 : n + 4]}) == 1]
    return next((n for n in found if _goes_on(fields, n) or _holds_rows(fields, n)), found[0] if found else None)


def _holds_rows(fields: Sequence[Sequence[str]], header: int) -> bool:
    """True where rows with times stand below a header: names further down are no reason to lose those."""
    below = fields[header + 1 : header + 1 + ENOUGH]
    whole = [row for row in below if len(row) == len(fields[header]) and any(map(_MOMENT.match, row))]
    return len(whole) == ENOUGH


def _has_names(fields: Sequence[str], *, twins: bool = False) -> bool:
    filled = [field for field in fields if field]
    unlike = len(set(filled)) == len(filled) or (twins and len(set(filled)) > 1 == filled.count(fields[0]))
    is_row = any(field[:1].isdigit() or _DATE_WITHIN.search(field) for field in filled)
    return unlike and 2 * len(filled) > len(fields) and not is_row


def _goes_on(fields: Sequence[Sequence[str]], header: int) -> bool:
    """True where nearly all rows behind a header have as many fields as it."""
    same = [len(row) == len(fields[header]) for row in fields[header + 1 :]]
    return sum(same) >= _GOES_ON * len(same)


PLAIN = Dialect("plain", "a plain table", _recognise)
