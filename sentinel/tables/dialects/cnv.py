"""Files of Sea-Bird instruments: converted (.cnv), with names in comments, and as the instrument sends them (.asc)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sentinel.tables.cells import ROW
from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, split

_TIMES = {
    "timeY": "seconds", "timeN": "seconds", "timeK": "seconds since 2000-01-01", "timeQ": "seconds since 2000-01-01",
    "timeS": "seconds since {start}", "timeM": "minutes since {start}", "timeH": "hours since {start}",
    "timeJ": "days since {year}-12-31", "timeJV2": "days since {year}-12-31",
}  # fmt: skip
"""Columns of times by their short name, with their form; days are numbered from 1 in January."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not lines[0].startswith("* Sea-Bird"):
        return None
    end = next((n for n, line in enumerate(lines) if line.startswith("*END*")), None)
    if end is None:
        raise UnfinishedError
    if not any(line.startswith("# name") for line in lines[:end]):
        return _recognise_ascii(lines, end + 1)
    found = [re.match(r"# name \d+ = ([^:]+):\s*(.*?)\s*$", line) for line in lines[:end]]
    # Behind `flag:` stands its usual value in place of a title.
    pairs = [(short := one[1].strip(), short if short == "flag" else one[2]) for one in found if one]
    titles = [title for _, title in pairs]
    names = tuple(title if titles.count(title) == 1 else f"{title} {short}" for short, title in pairs)
    bad = next((line.partition("=")[2].strip() for line in lines[:end] if line.startswith("# bad_flag")), None)
    time = next((n for n, (short, _) in enumerate(pairs) if short in _TIMES), None)
    patch = {"separator": "whitespace", "comment": None, "skip_rows": end + 1, "names": names}
    header = "\n".join(lines[:end])
    # When a file was loaded from the instrument is not when it was measured.
    started = re.search(r"# start_time = (\w{3} \d{1,2} \d{4} \d\d:\d\d:\d\d)(?! \[System UpLoad)", header)
    interval = re.search(r"# interval = seconds: ([\d.]+)", header)
    start = datetime.strptime(started[1], "%b %d %Y %H:%M:%S").replace(tzinfo=UTC) if started else None
    if time is not None:
        form = _TIMES[pairs[time][0]]
        patch["time_column"] = names[time]
    elif interval:
        form = f"{interval[1]} seconds since {{start}}"
        patch["time_column"] = ROW
    if "time_column" in patch and (start or "{" not in form):
        written = f"{start:%Y-%m-%dT%H:%M:%S}" if start else ""
        patch["time_format"] = form.format(start=written, year=start and start.year - 1)
    flags = tuple(name for name, (short, _) in zip(names, pairs, strict=True) if short == "flag")
    return patch | {"exclude": flags} | ({"missing": (bad,)} if bad else {})


def _recognise_ascii(lines: Sequence[str], at: int) -> Patch | None:
    """Recognise a file without names (SBE 37, SBE 39): temperature first, date and time of day last."""
    first = next((n for n in range(at, len(lines)) if re.match(r"[\s\d.,+-]+,", lines[n])), None)
    if first is None:
        raise UnfinishedError
    known = ("temperature", "conductivity") if re.match(r"\* Sea-Bird SBE ?37", lines[0]) else ("temperature",)
    count = len(split(lines[first])) - 2
    names = (*known[:count], *(f"column {n}" for n in range(len(known) + 1, count + 1)), "date", "time")
    return {"comment": None, "skip_rows": first, "names": names, "time_column": ("date", "time")}


CNV = Dialect("cnv", "a file of a Sea-Bird instrument", _recognise)
