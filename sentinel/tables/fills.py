"""Numbers that stand for no value: found by what they are and where they lie, proposed, and never taken out unasked."""

from __future__ import annotations

import shlex
from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray

KNOWN = (-9999.0, -999.0, -99.9, -99.0, 99.0, 99.9, 999.0, 999.9, 9999.0, 99999.0, -99999.0, -999.9, -6999.0, -7999.0,
         -8888.0, -7777.0,
         -999.99, -99.99, 99.99, 999.99, -9999.9, -9999.99, -32768.0, -32767.0, 32767.0,
         1e20, -1e20, 1e30, -1e34, 9.96921e36)  # fmt: skip
"""Numbers that programs and loggers write where they have no value."""
FAR = 10.0
"""Robust scales from the middle of the other values, from which on a number lies apart."""
RETURNS = 3
"""Times that a number which nobody knows as a fill value comes back exactly until it is taken for one."""
_MOST = 0.2
"""Share of the values from which on such a number is a state, not a mark: 0 in a column of flags, an empty queue."""
_SHOWN = 12
_CANDIDATES = 20
_LOOKED_AT = 50_000
"""Values of a series that are searched for a number nobody knows."""
_SEARCHED = 1_000
"""Series that are searched for a number nobody knows."""


def find_fills(values: NDArray[np.float64]) -> list[tuple[float, int]]:
    """Find numbers that stand for no value in a series, with how often each is there.

    A known one is enough once; any other must come back exactly. Both must lie apart from all that is left.
    """
    numbers, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    known = np.isin(numbers, KNOWN)
    often = np.argsort(-counts)[:_CANDIDATES]
    most = _MOST * counts.sum()
    candidates = {int(n) for n in (*np.flatnonzero(known), *often) if known[n] or RETURNS <= counts[n] <= most}
    # The outermost first: behind it the next one shows.
    middle = float(np.median(numbers)) if numbers.size else 0.0
    left = np.ones(numbers.size, bool)
    found = []
    for n in sorted(candidates, key=lambda n: -abs(numbers[n] - middle)):
        left[n] = False
        if _lies_apart(numbers[n], np.repeat(numbers[left], counts[left]), known=bool(known[n])):
            found.append((float(numbers[n]), int(counts[n])))
        else:
            left[n] = True
    return found


def _lies_apart(number: float, rest: NDArray[np.float64], *, known: bool) -> bool:
    if rest.size == 0:
        return known
    middle = np.median(rest)
    scale = 1.4826 * float(np.median(np.abs(rest - middle)))
    if scale == 0.0:
        scale = float(rest.std())
    nearest = float(np.min(np.abs(rest - number)))
    return bool(abs(number - middle) > FAR * scale and nearest > 0.5 * FAR * scale and nearest > 0.0)


class FillSearch:
    """Looks for fill values in observations that come in pieces: known ones in all, others in the first of a series."""

    def __init__(self) -> None:
        self._found: dict[float, Counter[str]] = {}
        self._seen: set[str] = set()

    def look_at(self, piece: pl.DataFrame) -> None:
        """Look at the next piece, with columns `series` and `value`."""
        known = set(piece.filter(pl.col("value").is_in(KNOWN))["series"].unique())
        names = piece["series"].unique(maintain_order=True).to_list() if len(self._seen) < _SEARCHED else []
        new = [name for name in names if name not in self._seen][: _SEARCHED - len(self._seen)]
        self._seen.update(new)
        for wanted, rows in ((known, None), (set(new) - known, _LOOKED_AT)):
            if not wanted:
                continue
            chosen = piece.filter(pl.col("series").is_in(list(wanted)))
            for key, own in chosen.group_by("series", maintain_order=True):
                for number, count in find_fills(own["value"][:rows].to_numpy()):
                    self._found.setdefault(number, Counter())[str(key[0])] += count

    def say(self) -> list[str]:
        """Say which numbers look like marks of a missing value, with the option for them."""
        return [_say(number, counts, len(self._seen)) for number, counts in self._found.items()]


def _say(number: float, counts: Counter[str], series: int) -> str:
    names = ", ".join(f"{name} x{count:,}" for name, count in list(counts.items())[:_SHOWN])
    more = f" and {len(counts) - _SHOWN:,} more series" if len(counts) > _SHOWN else ""
    mark = f"{number:.15g}"
    # What stands for no value in one series can be measured in the others.
    marks = [mark] if len(counts) == series else [f"{name}={mark}" for name in list(counts)[:_SHOWN]]
    return (
        f"{mark} lies far from all other values, as a mark of a missing value does: in {names}{more}; "
        f"only from its third time on is it left out. If it means no value: {' '.join(map(_write, marks))}"
    )


def _write(mark: str) -> str:
    # A name that begins with a dash would be taken for an option, a number would not.
    return f"--missing{'=' if mark.startswith('-') and '=' in mark else ' '}{shlex.quote(mark)}"
