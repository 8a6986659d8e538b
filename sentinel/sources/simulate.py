"""Source `simulate`: plays a seeded system, in real time or faster.

Faster means that the source's own clock is faster: its watermark is event time, and the engine closes ticks by it.
After a restart the playback goes on from the cursor; only in real time it catches up what was not played meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sentinel.config import SimulateSource, or_else, parse_moment
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import ConfigError
from sentinel.domain.labels import add_labels
from sentinel.domain.spans import Cadence, print_duration
from sentinel.simulate import SYSTEMS
from sentinel.sources.base import PullSource

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame

MOST_PER_FETCH = 50_000


class Playback(PullSource):
    """Plays the system that the settings name; `monotonic` is the watch that acceleration goes by."""

    def __init__(self, settings: SimulateSource, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(settings.name, settings.every, settings.id)
        if settings.system not in SYSTEMS:
            raise ConfigError(f"system: '{settings.system}'; {or_else(settings.system, SYSTEMS, 'systems')}")
        self._settings, self._clock, self._monotonic = settings, clock, monotonic
        self._system = SYSTEMS[settings.system]
        lengths = [length for length in (self._system.length, settings.ticks) if length is not None]
        self._length = min(lengths, default=None)
        self._cadence = settings.cadence or Cadence.parse(self._system.cadence)
        self._values: Iterator[float] = iter(())
        self._at = -1
        self._key = add_labels(settings.series or self.id, settings.labels)
        self._anchor: tuple[float, int] | None = None

    def describe(self) -> str:
        """Say which system is played, and at what pace."""
        settings = self._settings
        pace = "real time" if settings.ticks_per_second is None else f"{settings.ticks_per_second:g} ticks per second"
        every = print_duration(settings.every)
        return f"simulated {settings.system}, seed {settings.seed}, {pace}, asked every {every}"

    def known_series(self) -> frozenset[str]:
        """Its one series."""
        return frozenset({self._key})

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Play the ticks that are due since `cursor`; see `PullSource.fetch`."""
        import polars as pl  # here: `sentinel check` does not wait for it

        from sentinel.domain.observation import OBSERVATIONS, Frame, Rejection

        now_us = self._clock.now_us()
        was: Any = cursor or {"next": 0, "start_us": self._start_us(now_us)}
        first, start_us = int(was["next"]), int(was["start_us"])
        due = self._due(first, start_us, now_us)
        last = min(due, first + MOST_PER_FETCH)
        values = self._play(first, last)
        finite = np.isfinite(values)
        observations = pl.DataFrame(
            {
                "series": pl.repeat(self._key, values.size, dtype=pl.String, eager=True),
                "time": pl.Series(self._times_us(start_us, first, last)).cast(OBSERVATIONS["time"]),
                "value": values,
            },
            schema=OBSERVATIONS,
        ).filter(pl.Series(finite))
        missing = int(values.size - finite.sum())
        watermark_us = now_us
        if self._settings.ticks_per_second is not None:  # just before the next tick
            watermark_us = int(self._times_us(start_us, last, last + 1)[0]) - 1
        return Frame(
            self.id, observations, {"next": last, "start_us": start_us},
            watermark_us=None if last < due else watermark_us, more=last < due,
            rejected={Rejection.MISSING: missing} if missing else {},
        )  # fmt: skip

    def _start_us(self, now_us: int) -> int:
        """Event time of the first tick where no cursor says it."""
        if self._settings.start is not None:
            return round(parse_moment(self._settings.start) / MICROSECONDS) * MICROSECONDS
        return now_us if self._system.stamps is None else int(self._system.stamps()[0])

    def _due(self, first: int, start_us: int, now_us: int) -> int:
        """Count the ticks that should have been played by now."""
        rate = self._settings.ticks_per_second
        if rate is not None:
            watch = self._monotonic()
            if self._anchor is None:
                self._anchor = (watch, first)
            due = self._anchor[1] + int((watch - self._anchor[0]) * rate)
        elif self._system.stamps is not None or self._cadence.months:
            # The first guess is one tick too many for months, which differ in length; the times decide.
            guess = max(0, (now_us - start_us) // self._cadence.microseconds + 2)
            most = guess if self._length is None else self._length
            due = int(np.searchsorted(self._times_us(start_us, 0, most), now_us, side="right"))
        else:
            due = max(0, (now_us - start_us) // self._cadence.microseconds + 1)
        return max(first, due if self._length is None else min(due, self._length))

    def _times_us(self, start_us: int, first: int, last: int) -> NDArray[np.int64]:
        """Event times of the ticks `first` to `last`; a real series is moved to where `start` says."""
        if self._system.stamps is not None:
            stamps = self._system.stamps()
            beyond = stamps[-1] + self._cadence.microseconds * np.arange(1, max(0, last - stamps.size) + 1)
            return np.asarray(np.concatenate([stamps, beyond])[first:last] + (start_us - stamps[0]), dtype=np.int64)
        index = np.arange(first, last, dtype=np.int64)
        if not self._cadence.months:
            return start_us + index * self._cadence.microseconds
        start = np.datetime64(start_us, "us")
        month = start.astype("datetime64[M]")
        # Counted from the first of the month, and never into the next one: a 31st becomes the last day there is.
        into = (start - month).astype("timedelta64[us]")
        months = month + (index * self._cadence.months).astype("timedelta64[M]")
        latest = (months + np.timedelta64(1, "M")).astype("datetime64[us]") - np.timedelta64(1, "us")
        return np.asarray(np.minimum(months.astype("datetime64[us]") + into, latest), dtype=np.int64)

    def _play(self, first: int, last: int) -> NDArray[np.float64]:
        """Values of the ticks `first` to `last`; after a restart, or a step back, the system is run again."""
        if self._at != first:
            self._values = self._system.values(self._settings.seed)
            next(islice(self._values, first, first), None)
            self._at = first
        values = np.fromiter(islice(self._values, last - first), dtype=np.float64)
        self._at += values.size
        return values
