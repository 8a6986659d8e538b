"""Runs the sources that push: a thread for each.

The thread of a source that pushes starts it and acknowledges, and tries again ever more rarely what fails. The engine
reports a frame after its commit and goes on at once; whoever sent the frame is told in that thread. A frame that was
handed over but not committed is never acknowledged, so its sender sends it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, MutableMapping
from threading import Event, Thread

from sentinel.domain.clock import Clock
from sentinel.domain.errors import SentinelError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor, Frame
from sentinel.domain.states import SourceStatus
from sentinel.runtime.contact import Contact
from sentinel.runtime.inbox import Inbox
from sentinel.sources import PushSource, SourceError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""So often it is asked of a source that pushes, and of which nothing comes, whether anything can."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
"""Waits before what failed of a source that pushes is tried again."""


class _Pushed:
    """One source, in a thread of its own."""

    def __init__(self, source: PushSource, contact: Contact, cursor: Cursor | None, stopping: Event) -> None:
        self._source, self._contact, self._stopping = source, contact, stopping
        self._trouble: SentinelError | None = None
        self.newest = cursor
        """The last cursor committed: it stands for all before it, so a source that hangs piles up nothing."""
        self.changed = Event()
        """There is a newer cursor, or the daemon stops."""
        self.thread = Thread(target=self._run, name=source.name, daemon=True)

    def _run(self) -> None:
        told: Cursor | None = None
        is_started, wait = False, FIRST_RETRY_SECONDS
        while True:
            is_last = self._stopping.is_set()  # looked at before the cursor: whatever was committed is acknowledged
            newest = self.newest
            try:
                if not is_started and not is_last:
                    told = newest
                    with self._contact.in_flight():
                        self._source.start(newest, self._take)
                    is_started = True
                    self._contact.succeed()
                elif is_started and newest is not None and newest is not told:
                    self._source.acknowledge(newest)
                    told = newest
            except Exception as error:  # noqa: BLE001 - whatever went wrong, it is tried again
                self._contact.fail(
                    error,
                    "source cannot be told what is committed; that may come again" if is_started
                    else "source cannot be started",
                )  # fmt: skip
                self._stopping.wait(wait)
                wait = min(2.0 * wait, LAST_RETRY_SECONDS)
            else:
                wait = FIRST_RETRY_SECONDS
                if not is_last:
                    if not self.changed.wait(LOOK_SECONDS):
                        self._look()
                    self.changed.clear()
            if is_last:
                break
        self._source.close()

    def _look(self) -> None:
        """Tell it where nothing can come, and where it can again."""
        trouble: SentinelError | None = None
        try:
            self._source.require_connection()
        except SourceError as error:
            trouble = error
        if str(trouble) != str(self._trouble):
            self._trouble = trouble
            if trouble is None:
                self._contact.succeed()
            else:
                self._contact.fail(trouble, "source receives nothing")

    def _take(self, frame: Frame) -> bool:
        self._contact.count_fetch()
        return self._contact.take(frame)


class Pushing:
    """Runs the sources that push; what is found out about each is written to its status."""

    def __init__(
        self, inbox: Inbox, statuses: MutableMapping[str, SourceStatus], metrics: Metrics, clock: Clock
    ) -> None:
        self._inbox, self._statuses, self._metrics, self._clock = inbox, statuses, metrics, clock
        self._pushed: dict[str, _Pushed] = {}
        self._stopping = Event()

    def start(self, sources: Iterable[PushSource], cursors: Mapping[str, Cursor]) -> None:
        """Start these sources, each from its committed cursor; returns at once."""
        for source in sources:
            contact = Contact(source, self._inbox, self._statuses, self._metrics, self._clock, self._stopping)
            pushed = _Pushed(source, contact, cursors.get(source.id), self._stopping)
            self._pushed[source.id] = pushed
            pushed.thread.start()

    def acknowledge(self, source: str, cursor: Cursor) -> None:
        """Note that the frame with this cursor has been committed; nothing to do for a source that is asked."""
        pushed = self._pushed.get(source)
        if pushed is not None:
            pushed.newest = cursor
            pushed.changed.set()

    def stop(self, seconds: float) -> bool:
        """Acknowledge what is left and close the sources, in at most that long; True if all have ended."""
        self._stopping.set()
        for pushed in self._pushed.values():
            pushed.changed.set()
        end = time.monotonic() + seconds
        for pushed in self._pushed.values():
            pushed.thread.join(max(0.0, end - time.monotonic()))
        return not any(pushed.thread.is_alive() for pushed in self._pushed.values())
