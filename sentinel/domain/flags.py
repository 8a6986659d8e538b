"""Flags of quality as QARTOD has them, and the names of the checks that give them."""

from __future__ import annotations

from typing import NamedTuple

GOOD, UNKNOWN, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
CHECKS = ("range", "gap", "flat_line", "rate", "spike")
"""In the order in which they are looked at. A value counts once, under the first of those that judge it hardest."""


class CheckCount(NamedTuple):
    """Number of values of a series that one check has called suspect, and that it has failed."""

    check: str
    suspect: int
    failed: int
