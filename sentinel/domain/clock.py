"""The clock: the one module that asks the operating system for the time.

Times are whole microseconds since 1970-01-01 UTC everywhere inside sentinel; they become text only at the edges.
"""

from __future__ import annotations

import time

MICROSECONDS = 1_000_000


class Clock:
    """The machine's clock, which is handed to whatever needs the time; tests have one that stands still."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000
