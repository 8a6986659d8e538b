"""Contact with a source: its frames are taken in, its failures and hangs are noted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from threading import Event, Lock

import polars as pl

from sentinel.config.secrets import hide_queries
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import SentinelError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Frame
from sentinel.domain.states import SourceStatus
from sentinel.runtime.inbox import Inbox
from sentinel.sources import Source

logger = logging.getLogger(__name__)

HANGS_SECONDS = 30.0
"""A source whose fetch takes longer is down until it ends, which is said once in the log."""
HANGS = "it has not answered yet"
PUT_SECONDS = 0.2
"""Bound on the wait of a frame for room in the inbox; then it is looked whether the daemon stops."""


class Contact:
    """Hands the frames of one source to the inbox, and tells status, metrics and log how the source does."""

    def __init__(
        self, source: Source, inbox: Inbox, statuses: MutableMapping[str, SourceStatus], metrics: Metrics, clock: Clock,
        stopping: Event,
    ) -> None:  # fmt: skip
        name = source.name
        self._name, self._inbox, self._metrics, self._clock, self._stopping = name, inbox, metrics, clock, stopping
        self._status = statuses.setdefault(source.id, SourceStatus(name))
        self._complaints: tuple[str, ...] = ()
        self._ending = Lock()
        metrics.source_fetches.inc(0, source=name)
        metrics.source_fetch_failures.inc(0, source=name)

    def count_fetch(self) -> None:
        """Count a frame that was asked for, or came."""
        self._status.fetches += 1
        self._metrics.source_fetches.inc(source=self._name)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Show since when it is being asked: a source that hangs says nothing by itself."""
        self._status.in_flight_us = self._clock.now_us()
        self._metrics.source_in_flight_since.set(self._status.in_flight_us / MICROSECONDS, source=self._name)
        try:
            yield
        finally:
            with self._ending:
                self._status.in_flight_us = None
            self._metrics.source_in_flight_since.set(0, source=self._name)

    def say_if_it_hangs(self) -> None:
        """Note that the source is down as long as a fetch does not end; log it once."""
        with self._ending:  # a fetch that ends meanwhile has the last word
            since_us = self._status.in_flight_us
            seconds = 0.0 if since_us is None else (self._clock.now_us() - since_us) / MICROSECONDS
            if seconds < HANGS_SECONDS:
                return
            self._status.up = False
            self._metrics.source_up.set(0, source=self._name)
            if self._status.failure != HANGS:
                self._status.failure = HANGS
                logger.warning("source has not answered yet", extra={"source": self._name, "seconds": round(seconds)})

    def take(self, frame: Frame) -> bool:
        """Put a frame into the inbox, waiting for room; False if the daemon stops: it was not taken."""
        while True:
            # Looked at first: a fetch that ended only after the schedule was replaced must not come in as well.
            if self._inbox.closed or self._stopping.is_set():
                return False
            if self._inbox.put(frame, PUT_SECONDS):
                break
        self.succeed()
        what = "observations left out" if frame.rejected else "remark on what was read"
        for complaint in frame.complaints if frame.complaints != self._complaints else ():
            logger.warning(what, extra={"source": self._name, "why": complaint})
        self._complaints = frame.complaints
        return True

    def succeed(self) -> None:
        """Note that the source works."""
        now_us = self._clock.now_us()
        self._status.up, self._status.last_success_us = True, now_us
        self._metrics.source_up.set(1, source=self._name)
        self._metrics.source_last_success.set(now_us / MICROSECONDS, source=self._name)
        if self._status.failure:
            logger.info("source is back", extra={"source": self._name})
            self._status.failure = ""

    def catch_up(self, more: bool) -> None:
        """Note if it has more to tell at once."""
        self._status.catching_up = more
        self._metrics.source_catching_up.set(more, source=self._name)

    def fail(self, error: BaseException, what: str = "source cannot be read") -> None:
        """Note that it does not work; the same reason is logged once."""
        is_expected = isinstance(error, SentinelError | OSError | pl.exceptions.PolarsError)
        # Shown on a page: an address that a server led to may be signed, and its answer may repeat that.
        why = hide_queries(str(error) if is_expected else f"{type(error).__name__}: {error}")
        self._status.up, self._status.last_failure_us = False, self._clock.now_us()
        self._status.failed += 1
        self._metrics.source_fetch_failures.inc(source=self._name)
        self._metrics.source_up.set(0, source=self._name)
        if why != self._status.failure:
            # A fault of the program, not of the source, is logged with its place.
            level, trace = (logging.WARNING, None) if is_expected else (logging.ERROR, error)
            logger.log(level, what, extra={"source": self._name, "why": why}, exc_info=trace)
            self._status.failure = why
