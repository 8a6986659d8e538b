"""Forms of time: which strftime forms a cell fits, and which one form all first cells of a column have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import polars as pl

from sentinel.tables.cells import TableOptions
from sentinel.tables.months import NAMES
from sentinel.tables.times import HALF, ISO_PATTERN, RANGE, instant

ISO = "ISO 8601"
STEPS = "numbers"
_DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_LARGEST = 1e19
_EPOCHS = {10: "seconds", 13: "milliseconds", 16: "microseconds", 19: "nanoseconds"}
_SHORT, _LONG = r"[^\W\d_]{3}", r"(?:[^\W\d_]{4,10}|[^\W\d_]{3,5}\.(?=[ -]))"
"""Names of months: of three letters, longer ones, and those that end in a point."""
_YEAR = r"(?:1[5-9]|2[01])\d\d"
_ENGLISH = f"(?i:{'|'.join(NAMES)})"
_DATES = (
    (r"\d{4}([-/.])\d{1,2}\1\d{1,2}", ("%Y{0}%m{0}%d",)),
    (r"\d{1,2}(\.)\d{1,2}\1\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}([-/])\d{1,2}\1\d{4}", ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")),
    (r"\d{1,2}(\.)\d{1,2}\1\d{2}", ("%d.%m.%y",)),
    (r"\d{1,2}([-/])\d{1,2}\1\d{2}", ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d")),
    (rf"\d{{1,2}}([-. ]){_SHORT}\1{_YEAR}", ("%d{0}%b{0}%Y",)),
    (rf"\d{{1,2}}([-. ]){_SHORT}\1\d{{2}}", ("%d{0}%b{0}%y",)),
    (rf"\d{{1,2}}([-. ]){_LONG}\1{_YEAR}", ("%d{0}%B{0}%Y",)),
    (rf"\d{{1,2}}(\. ?)(?:{_SHORT}|{_LONG}) {_YEAR}", ("%d{0}%B %Y",)),
    (rf"{_SHORT} \d{{1,2}}(,?) {_YEAR}", ("%b %d{0} %Y",)),
    (rf"{_LONG} \d{{1,2}}(,?) {_YEAR}", ("%B %d{0} %Y",)),
    (r"\d{4}(-)\d{3}", ("%Y-%j",)),
    (r"\d{1,2}([-/.])\d{4}", ("%m{0}%Y",)),
    (rf"{_ENGLISH}([- ]){_YEAR}", ("%b{0}%Y",)),
    (r"\d{4}(-)W\d{2}-\d", ("%G-W%V-%u",)),
    (r"\d{4}(-)W\d{2}", ("%G-W%V",)),
    (r"\d{4}()\d{4}", ("%Y%m%d",)),
)
_TIMES = (
    (r"\d{1,2}:\d{2}:\d{2}\.\d+", "%H:%M:%S%.f"), (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S"), (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{6}", "%H%M%S"), (r"\d{4}", "%H%M"), (r"\d{2}", "%H"),
)  # fmt: skip
_HALF = f"(?:{HALF}|[AaPp](?![A-Za-z.]))"
"""AM or PM, and the `a` and `p` of weather stations: 9:00a."""
_REST = (
    rf"(?:(?P<gap>[T ]|, ?)(?P<clock>[\d:.]+))?(?P<half>{_HALF})?(?P<zone> ?(?:[A-Z]{{1,4}}|z|[+-]\d{{2}}:?\d{{2}}))?"
)
SPAN_ZONE = r"(UTC|[A-Z]{3,4}/[A-Z]{3,4})"
"""A zone behind a range of times, of which no clock is put back without its saying so."""
_ISO_RE = re.compile(ISO_PATTERN.replace("(?<", "(?P<"))


def forms_of(cell: str) -> list[str]:
    """List the forms that one cell has: `ISO`, `STEPS` for a number, names of `times.NUMBERS`, or strftime forms."""
    text = cell.strip()
    if _ISO_RE.match(text):
        return [ISO]
    if re.fullmatch(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", text):
        return [_form_of_number(text)]
    if both := re.fullmatch(rf"([^a-z]+) - ([^a-z]+?)(?: \({SPAN_ZONE}\))?", text):
        ends = [_strftime_forms(one) for one in both.groups()[:2]]
        return [f"{form}{RANGE}" for form in ends[0] if form in ends[1]]
    if day := re.match(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?=\d)", text):
        return [f"%a{day[0][3:]}{form}" for form in forms_of(text[day.end() :]) if form.startswith("%")]
    return _strftime_forms(text)


def _strftime_forms(text: str) -> list[str]:
    for pattern, dates in _DATES:
        found = re.fullmatch(f"(?P<date>{pattern}){_REST}".replace(r"\1", r"\2"), text)
        clock = None if found is None else _form_of_clock(found["clock"], found["half"])
        if found is not None and clock is not None:
            zone = found["zone"] or ""
            ending = "%z" if zone.strip()[:1] in ("+", "-") else "%Z" if zone else ""
            rest = (found["gap"] or "") + clock + " " * zone.startswith(" ") + ending
            return [form for date in dates if _parses(text, form := date.format(found[2]) + rest)]
    return []


def _form_of_clock(clock: str | None, half: str | None) -> str | None:
    if clock is None:
        return None if half else ""
    form = next((form for pattern, form in _TIMES if re.fullmatch(pattern, clock)), None)
    if form is None or half is None:
        return form
    return form.replace("%H", "%I") + " " * half[0].isspace() + "%p"


def _form_of_number(text: str) -> str:
    """Tell dates and seconds written as digits from steps: by their number, and whether a calendar has them."""
    if re.fullmatch(r"\d+", text):
        form = _DIGITS.get(len(text))
        if form is not None and "1800" <= text[:4] < "2200" and _parses(text, form):
            return form
    size = abs(float(text.replace(",", ".")))
    if size >= _LARGEST:
        return STEPS
    digits = len(str(int(size)))
    return _EPOCHS[digits] if digits in _EPOCHS and str(int(size))[0] in "12" else STEPS


@lru_cache(1024)
def _parses(text: str, form: str) -> bool:
    read = pl.select(instant(pl.lit(text), pl.String(), TableOptions(time_format=form))).item()
    return read is not None


def common_forms(cells: Iterable[str]) -> list[str]:
    """List the forms left after the first cell that decides: one, several where none does, none where nothing fits."""
    left: list[str] = []
    for cell in cells:
        forms = forms_of(cell)
        if not forms:  # a slip, which is complained about where the cells are read
            continue
        left = [form for form in left if form in forms] if left else forms
        if len(left) == 1:
            break
    return left


def form_of_clock(cell: str) -> str | None:
    """Give the strftime form of a time of day; None where it is none."""
    found = re.fullmatch(rf"([\d:.]+)({_HALF})?", cell.strip())
    return None if found is None else _form_of_clock(found[1], found[2])


def is_clock(cell: str) -> bool:
    """True for a time of day alone, such as 14:30."""
    return re.fullmatch(rf"\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?({_HALF})?", cell.strip()) is not None
