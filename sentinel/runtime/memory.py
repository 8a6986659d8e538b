"""Memory that is not needed goes back to the system: a daemon that runs for months stays as large as it is now.

The GNU C library learns from each large block that goes to keep the next ones of that size, and after a burst of data
half of the process was memory that nobody used. With limits that are said it does not learn.
"""

from __future__ import annotations

import ctypes
import os

KEPT_BYTES = 1 << 20
"""Larger arrays are given back when they go; at the end of what is kept, no more than this is free."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""


def give_back() -> None:
    """Say how much the C library may keep, unless the environment does, or the library is another one."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
        mallopt(parameter, KEPT_BYTES)
