"""Station tables of Météo-France (meteo.data.gouv.fr): semicolons, each value with its quality, `TN` with `QTN`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, present, split


def _recognise(lines: Sequence[str]) -> Patch | None:
    names = split(lines[0], ";")
    times = [name for name in names if re.fullmatch("AAAAMM(JJ(HH(M[MN])?)?)?", name)]
    if names[0] != "NUM_POSTE" or len(times) != 1:
        return None
    # `HTN` is the time of day of `TN`, as digits, and `HXY` that of `FXY`.
    aside = [name for name in names if name[:1] in ("Q", "H") and name[1:] in names]
    aside += [name for name in names if name[:1] == "H" and f"F{name[1:]}" in names]
    return {
        "separator": ";", "time_column": times[0], "by": ("NUM_POSTE",),
        "time_format": "%Y%m%d%H%M"[: len(times[0]) - 2], "exclude": (*present(names, "LAT", "LON", "ALTI"), *aside),
    }  # fmt: skip


METEOFRANCE = Dialect("meteofrance", "a station table of Météo-France", _recognise)
