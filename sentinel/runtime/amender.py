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
BYTES_PER_SECOND = 1_000
"""It rests for so long that what it adds to the journal is no more than this: 86 MB a day."""


class Amender:
    """Looks whether corrections have come, and computes anew what they affect.

    `publish` is given what the engine is to take over.
    """

    def __init__(self, folder: Path, publish: Callable[[Recomputed], None]) -> None:
        self._folder, self._publish = folder, publish
        self._thread: Thread | None = None
        self._last: Recomputed | None = None
        self._failed, self._rests_until = -1, 0.0

    def look(self, corrected: int, amended: int, state: PipelineState) -> None:
        """Begin if a batch up to `corrected` has corrections and they have taken effect up to `amended` only."""
        is_running = self._thread is not None and self._thread.is_alive()
        rests_until = self._rests_until + (self._last.size / BYTES_PER_SECOND if self._last else 0.0)
        if corrected > max(amended, self._failed) and not is_running and monotonic() >= rests_until:
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
                whole = self._last is not None and self._last.outdated
                self._last = begin(journal, state, corrected, whole=whole)
                for _ in range(2):  # the second time is short: the engine, which waits for the rest, has little left
                    self._last.catch_up(journal)
            self._publish(self._last)
        except SentinelError as error:
            logger.warning("corrected values are kept, and nothing can be computed anew", extra={"why": str(error)})
            self._failed = corrected  # the next correction may be younger
        self._rests_until = monotonic() + PATIENCE * (monotonic() - began)
