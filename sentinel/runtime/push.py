"""Sources that push: they run beside the scheduler, and hear here what of theirs is on disk.

Each has a thread that starts it, tries again where that fails, and acknowledges. The engine reports a frame after its
commit and goes on at once; whoever sent the frame is told in that thread. A frame that was handed over but not
committed is never acknowledged, so its sender sends it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, MutableMapping
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic

from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import SentinelError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor, Frame
from sentinel.domain.states import SourceStatus
from sentinel.runtime.inbox import Inbox
from sentinel.sources import PushSource

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
PUT_SECONDS = 0.2
"""How long a frame waits for room in the inbox before it is looked whether the daemon stops."""


class Pushing:
    """Runs the sources that push; what is found out about each is written to its status."""

    def __init__(
        self, inbox: Inbox, statuses: MutableMapping[str, SourceStatus], metrics: Metrics, clock: Clock
    ) -> None:
        self._inbox, self._statuses, self._metrics, self._clock = inbox, statuses, metrics, clock
        self._committed: dict[str, SimpleQueue[Cursor | None]] = {}
        """By source the cursors that it has to hear of; None = the end."""
        self._threads: list[Thread] = []
        self._stopping = Event()

    def start(self, sources: Iterable[PushSource], cursors: Mapping[str, Cursor]) -> None:
        """Start these sources, each from its committed cursor; returns at once."""
        for source in sources:
            committed = self._committed[source.name] = SimpleQueue()
            self._statuses.setdefault(source.name, SourceStatus(source.name))
            self._metrics.source_fetches.inc(0, source=source.name)
            self._metrics.source_fetch_failures.inc(0, source=source.name)
            thread = Thread(
                target=self._run, args=(source, cursors.get(source.name), committed), name=source.name, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def acknowledge(self, source: str, cursor: Cursor) -> None:
        """Note that the frame with this cursor has been committed; nothing to do for a source that is asked."""
        committed = self._committed.get(source)
        if committed is not None:
            committed.put(cursor)

    def stop(self, seconds: float) -> bool:
        """Acknowledge what is left and close the sources, in at most that long; says whether all have ended."""
        self._stopping.set()
        for committed in self._committed.values():
            committed.put(None)
        end = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, source: PushSource, cursor: Cursor | None, committed: SimpleQueue[Cursor | None]) -> None:
        """The life of one source."""
        wait = FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                source.start(cursor, partial(self._take, source.name))
            except (SentinelError, OSError) as error:
                self._fail(source.name, "source cannot be started", error)
                self._stopping.wait(wait)
                wait = min(2.0 * wait, LAST_RETRY_SECONDS)
            else:
                self._succeed(source.name)
                break
        while (newest := committed.get()) is not None:
            try:
                source.acknowledge(newest)
            except (SentinelError, OSError) as error:
                self._fail(source.name, "source cannot be told what is committed; that may come again", error)
        source.close()

    def _take(self, name: str, frame: Frame) -> bool:
        """Put a frame into the inbox, waiting for room; False if the daemon stops."""
        self._statuses[name].fetches += 1
        self._metrics.source_fetches.inc(source=name)
        while not self._inbox.put(frame, PUT_SECONDS):
            if self._inbox.closed or self._stopping.is_set():
                return False
        self._succeed(name)
        for complaint in frame.complaints:
            logger.warning("observations left out", extra={"source": name, "why": complaint})
        return True

    def _succeed(self, name: str) -> None:
        now_us = self._clock.now_us()
        self._statuses[name].up, self._statuses[name].last_success_us = True, now_us
        self._metrics.source_up.set(1, source=name)
        self._metrics.source_last_success.set(now_us / MICROSECONDS, source=name)

    def _fail(self, name: str, what: str, error: Exception) -> None:
        self._statuses[name].up, self._statuses[name].last_failure_us = False, self._clock.now_us()
        self._statuses[name].failed += 1
        self._metrics.source_up.set(0, source=name)
        self._metrics.source_fetch_failures.inc(source=name)
        logger.warning(what, extra={"source": name, "why": str(error)})
