"""Converted files of Sea-Bird instruments (.cnv): names in comments, then columns of fixed width."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError

_TIMES = {"timeY": "seconds", "timeS": None, "timeM": None, "timeH": None, "timeJ": None, "timeJV2": None}
"""Columns of times by their short name, with the form of those that are instants; the others count from a start."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not lines[0].startswith("* Sea-Bird"):
        return None
    end = next((n for n, line in enumerate(lines) if line.startswith("*END*")), None)
    if end is None:
        raise UnfinishedError
    found = [re.match(r"# name \d+ = ([^:]+):\s*(.*?)\s*$", line) for line in lines[:end]]
    # Behind `flag:` stands its usual value in place of a title.
    pairs = [(short := one[1].strip(), short if short == "flag" else one[2]) for one in found if one]
    titles = [title for _, title in pairs]
    names = tuple(title if titles.count(title) == 1 else f"{title} {short}" for short, title in pairs)
    bad = next((line.partition("=")[2].strip() for line in lines[:end] if line.startswith("# bad_flag")), None)
    time = next((n for n, (short, _) in enumerate(pairs) if short in _TIMES), None)
    patch = {"separator": "whitespace", "comment": None, "skip_rows": end + 1, "names": names}
    if time is not None:
        form = _TIMES[pairs[time][0]]
        patch |= {"time_column": names[time]} | ({"time_format": form} if form else {})
    flags = tuple(name for name, (short, _) in zip(names, pairs, strict=True) if short == "flag")
    return patch | {"exclude": flags} | ({"missing": (bad,)} if bad else {})


CNV = Dialect("cnv", "a converted file of a Sea-Bird instrument", _recognise)
