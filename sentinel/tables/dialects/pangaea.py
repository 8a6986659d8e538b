"""Tables of PANGAEA: a description between `/*` and `*/`, then names with units, and tabs."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split

PLACES = ("Depth*", "Latitude*", "Longitude*", "Elevation*", "Event*", "Sampl*", "Label*")
"""Columns that say where something was taken, not what was measured."""
CORES = "Event"
"""Column that names the core, or the cast. One file can have several, the second far below the first."""


def _recognise(lines: Sequence[str]) -> Patch | None:
    if not lines[0].startswith("/* DATA DESCRIPTION"):
        return None
    end = next((n for n, line in enumerate(lines) if line.rstrip().endswith("*/")), None)
    if end is None or len(lines) < end + 2:
        raise UnfinishedError
    names = split(lines[end + 1], "\t")
    patch = {"skip_rows": end + 1, "separator": "\t", "comment": None}
    if time := present(names, "Date/Time*", "Age*"):
        patch["time_column"] = time[0]
    cores = present(names, CORES)
    return patch | {"by": cores, "exclude": tuple(name for name in present(names, *PLACES) if name not in cores)}


PANGAEA = Dialect("pangaea", "a table of PANGAEA", _recognise)
