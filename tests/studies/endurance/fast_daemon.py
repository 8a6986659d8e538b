"""`sentinel run` under a clock that goes faster: `fast_daemon.py CONFIG START_US BEGAN FACTOR`.

Simulated time is START_US at the moment BEGAN (seconds of the machine's monotonic clock, which outlives the process),
and goes on FACTOR times as fast. What is timed by the monotonic clock (polls, checkpoints) is as always.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from time import monotonic

from sentinel.config import load
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.metrics import Metrics
from sentinel.runtime import logs
from sentinel.runtime.daemon import Daemon


class FastClock(Clock):
    """A clock that goes several times as fast as the machine's."""

    def __init__(self, start_us: int, began: float, factor: float) -> None:
        self._start_us, self._began, self._factor = start_us, began, factor

    def now_us(self) -> int:
        """Simulated microseconds since 1970."""
        return self._start_us + int((monotonic() - self._began) * self._factor * MICROSECONDS)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    settings, metrics = load(path), Metrics()
    logs.set_up(settings.log.level, settings.log.format, metrics)
    clock = FastClock(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    daemon = Daemon(settings, path=path, metrics=metrics, clock=clock)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, daemon.stop)
    signal.signal(signal.SIGHUP, daemon.hangup)
    daemon.run()
