"""Checkpoints of a running engine: begun when they are due, written a bounded part each turn, so that no tick waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from time import monotonic, perf_counter

from sentinel.config import to_record
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal, JournalFull, JournalUnwritable
from sentinel.pipeline.codec import to_arrays
from sentinel.runtime.replica import Replica

logger = logging.getLogger(__name__)

STEP_SECONDS, IDLE_SECONDS, RETRY_SECONDS = 0.1, 1.0, 30.0
"""So long a turn writes where something waits for its end, and where nothing does; and the time to the next try."""
UNWRITABLE = (JournalFull, JournalUnwritable)


class Checkpointing:
    """Saves the state of a replica, now and then or at once."""

    def __init__(self, journal: Journal, replica: Replica, metrics: Metrics, clock: Clock, every_us: int) -> None:
        self._journal, self._replica, self._metrics, self._clock = journal, replica, metrics, clock
        self._due = monotonic() + every_us / MICROSECONDS
        self._saved = -1
        """The batch of the last checkpoint that is whole."""
        self._steps: Generator[None] | None = None
        """Steps that are left of the one that is being written."""

    def step(self, batch: int, every_us: int, is_idle: Callable[[], bool] = lambda: False) -> bool:
        """Begin or go on, for a tenth of a second, or up to one where nothing else is to be done; True at its end.

        `batch` is the last one that moved the state, `every_us` the time from one checkpoint to the next. One that
        fails is tried again soon, and the journal goes on.
        """
        if self._steps is None:
            if monotonic() < self._due:
                return False
            self._due = monotonic() + every_us / MICROSECONDS
            self._steps = self._save(batch)
        began = monotonic()
        try:
            for _ in self._steps:
                took = monotonic() - began
                if took >= (IDLE_SECONDS if is_idle() else STEP_SECONDS):
                    return False
        except UNWRITABLE as error:
            self._steps, self._due = None, monotonic() + RETRY_SECONDS
            logger.error("checkpoint not written", extra={"why": str(error)})
            return False
        self._steps = None
        return True

    def save(self, batch: int, every_us: int) -> None:
        """Save the state at once; one that is being written is dropped."""
        self._due, self._steps = monotonic() + every_us / MICROSECONDS, None
        for _ in self._save(batch):
            pass

    def _save(self, batch: int) -> Generator[None]:
        """Save the state as it is now, if it has moved since the last time."""
        if batch == self._saved:
            return
        took, began = 0.0, perf_counter()
        arrays, header = to_arrays(self._replica.state)  # of arrays that are replaced later, never written to
        header |= {"settings": to_record(self._replica.settings), "watermarks": dict(self._replica.watermarks)}
        # What is written is let go of: the state may have moved on, and would be in memory twice.
        written = ((name, arrays.pop(name)) for name in list(arrays))
        try:
            for _ in self._journal.checkpoints.save_stepwise(written, header, batch, self._clock.now_us()):
                took += perf_counter() - began
                yield
                began = perf_counter()
        except UNWRITABLE:
            self._metrics.checkpoint_failures.inc()
            raise
        self._saved = batch
        self._metrics.checkpoints.inc()
        self._metrics.checkpoint_duration.observe(took + perf_counter() - began)
        self._metrics.checkpoint_last_success.set(self._clock.now_us() / MICROSECONDS)
