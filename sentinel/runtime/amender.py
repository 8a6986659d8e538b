"""Computes series anew, in a thread of its own, after values were corrected; what it finds is taken over by the engine.

It reads the journal beside the engine and writes nothing itself. The engine journals the outcome as a fact between two
frames.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic

from sentinel.domain.errors import SentinelError
from sentinel.journal import Journal
from sentinel.pipeline.pipeline import PipelineState
from sentinel.runtime.recomputing import Recomputed, begin

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""It rests for this many times as long as it has worked: a long journal is replayed rarely."""
FIRST_AGAIN, LONGEST = 30.0, 3_600.0
"""Seconds, twice as many after each failure, and the most."""
BYTES_PER_SECOND = 1_000
"""It rests for so long that what it adds to the journal is no more than this: 86 MB a day."""


class Amender:
    """Looks whether corrections have come, and computes anew what they affect.

    `publish` is given what the engine is to take over.
    """

    def __init__(self, folder: Path, publish: Callable[[Recomputed], None]) -> None:
        self._folder, self._publish = folder, publish
        self._thread: Thread | None = None
        self._waiting: Recomputed | None = None
        self._whole, self._failures, self._rests_until = False, 0, 0.0

    def look(self, corrected: int, amended: int, state: PipelineState) -> None:
        """Begin if a batch up to `corrected` has corrections and they have taken effect up to `amended` only."""
        if self._thread is not None and self._thread.is_alive():
            return
        if self._waiting is not None and self._waiting.is_done:
            self._whole = self._waiting.outdated
            self._rests_until += self._waiting.size / BYTES_PER_SECOND
            self._waiting = None  # it holds the states of whole series
        if corrected > amended and self._waiting is None and monotonic() >= self._rests_until:
            self._thread = Thread(target=self._run, args=(corrected, state), name="amend", daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for what is running, at most so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, corrected: int, state: PipelineState) -> None:
        began = monotonic()
        try:
            with Journal.open(self._folder, read_only=True) as journal:
                found = begin(journal, state, corrected, whole=self._whole)
                for _ in range(2):  # the second time is short: the engine, which waits for the rest, has little left
                    found.catch_up(journal)
            self._waiting, self._failures = found, 0
            self._publish(found)
        except Exception as error:
            self._failures += 1
            logger.warning(
                "corrected values are kept, and cannot be computed anew for now", extra={"why": str(error)},
                exc_info=None if isinstance(error, SentinelError) else error,
            )  # fmt: skip
        worked = monotonic() - began
        again = min(LONGEST, FIRST_AGAIN * 2.0**self._failures) if self._failures else 0.0
        self._rests_until = monotonic() + max(PATIENCE * worked, again)
