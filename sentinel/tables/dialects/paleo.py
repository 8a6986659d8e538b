"""Templates of NOAA's World Data Service for Paleoclimatology: comments that describe, then names and tabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    comments = [line for line in lines if line.startswith("#")]
    if not comments or not any(re.search(r"noaa|paleoclim", line, re.IGNORECASE) for line in comments[:30]):
        return None
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    if not rows:
        raise UnfinishedError
    names = split(rows[0], "\t")
    time = present(names, "age*", "year*")
    if not time:
        return None
    patch = {"separator": "\t", "time_column": time[0], "exclude": present(names, "depth*", "sampl*")}
    said = (re.match(r"#\s*missing[_ ]values?:\s*(\S+)", line, re.IGNORECASE) for line in comments)
    marks = tuple(dict.fromkeys(mark[1] for mark in said if mark))
    return patch | ({"missing": marks} if marks else {})


PALEO = Dialect("paleo", "a NOAA paleoclimatology template", _recognise)
