"""The engine: the one writer. Inbox, journal, pipeline, outbox, checkpoint, snapshot, in this order, in one thread.

What moves state is on disk before it moves it. Observations and cursors are committed together; events follow from
the state and carry ids of their own, so that a replay after a crash writes the same ones again and none twice. If the
journal cannot be written (a full disk), the engine holds the frame, takes no more, says so, and tries again: nothing
is lost, and nothing goes on unseen.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic, perf_counter, sleep

from sentinel.config import Settings, fingerprint, to_record
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.observation import Frame, Rejection
from sentinel.domain.tally import Tally
from sentinel.journal import Committed, Journal, JournalFull, JournalUnwritable
from sentinel.notify import Notifier
from sentinel.pipeline.codec import to_arrays
from sentinel.pipeline.history import History
from sentinel.pipeline.pipeline import Result
from sentinel.pipeline.published import Published
from sentinel.runtime import counting
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.outbox import Outbox
from sentinel.runtime.replica import Machine, restored
from sentinel.text.events import body_of, sentence_of

logger = logging.getLogger(__name__)

TURN_SECONDS = 1.0
"""A turn takes in frames for about this long, then tells the world."""
RETRY_SECONDS = 1.0
CHECKPOINT_RETRY_SECONDS = 30.0
SILENT_POLLS = 3
"""A source that has not answered for this many of its intervals no longer speaks for its own clock."""
_UNWRITABLE = (JournalFull, JournalUnwritable)


class Engine:
    """Owns all state; everything else hands frames to the inbox or reads `snapshot`."""

    def __init__(
        self, settings: Settings, journal: Journal, inbox: Inbox, tally: Tally, clock: Clock,
        notifiers: Mapping[str, Notifier], *, threads: int = 1,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._journal, self._inbox, self._tally, self._clock = journal, inbox, tally, clock
        self._outbox = Outbox(journal, notifiers, tally, clock)
        self._heard: dict[str, int] = {}
        self._owner: dict[str, str] = {}
        self.history = History(settings.web.history_series)
        self._machine = Machine(settings, self.history, tally, threads=threads)
        self._held: deque[Frame] = deque()
        self._owed: deque[tuple[Committed, Result]] = deque()
        self._retry_at = 0.0
        self._reload: Settings | None = None
        self._sites: dict[str, bool] = {}
        self._checkpoint_at = monotonic() + settings.daemon.checkpoint_every / MICROSECONDS
        self._batch = 0
        self._checkpointed = -1
        self._forgetting = False
        self.restored = False
        self.last_beat_us = -1
        self.stopped_by = ""
        """Why no observation is accepted; empty while they are."""
        self.snapshot = self._published()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def restore(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Checkpoint and journal tail, bitwise; then the present settings, if they have changed.

        Left half-way, with `restored` still False, as soon as `stopped` says so.
        """
        batch = restored(self._journal, self._machine, self._settle_restored, stopped)
        if batch is None:
            return
        self._batch = batch
        if self._machine.settings != self._settings or self._journal.settings() is None:
            self._change(self._settings)
        self.restored = True
        self._publish()

    def reload(self, settings: Settings) -> None:
        """Use other settings from the next turn on."""
        self._reload = settings

    def turn(self, timeout: float) -> bool:
        """One turn: take in what waits (wait up to `timeout` seconds for it). True if there was anything to do."""
        began = perf_counter()
        worked = False
        if monotonic() >= self._retry_at:
            try:
                self._journal.require_file()
                self._settle()
                if self._reload is not None:
                    self._change(self._reload)
                    self._reload = None
                if not self._held:
                    self._held.extend(self._inbox.take_all(timeout))
                    began = perf_counter()
                while self._held and perf_counter() - began < TURN_SECONDS:
                    self._take(self._held[0])
                    worked = True
                self._outbox.deliver()
                if monotonic() >= self._checkpoint_at:
                    self._forgetting = self._checkpointed_in_time()
                if self._forgetting:
                    self._forgetting = self._retain()
                self._tally.set("sentinel_journal_bytes", self._journal.size_bytes())
                self._tally.set("sentinel_ingestion_stopped", 0)
                self.stopped_by = ""
            except _UNWRITABLE as error:
                self._stopped(error)
        else:
            sleep(max(0.0, min(timeout, self._retry_at - monotonic())))
        self._publish()
        if worked:
            self._tally.observe("sentinel_engine_turn_duration_seconds", perf_counter() - began)
        return worked

    def _checkpointed_in_time(self) -> bool:
        """Save the state when it is due; one that fails is tried again soon, and the journal goes on."""
        try:
            self.checkpoint()
        except _UNWRITABLE as error:
            self._checkpoint_at = monotonic() + CHECKPOINT_RETRY_SECONDS
            logger.error("checkpoint not written", extra={"why": str(error)})
            return False
        return True

    def checkpoint(self) -> None:
        """Save the state, if it has moved since the last time."""
        self._checkpoint_at = monotonic() + self._settings.daemon.checkpoint_every / MICROSECONDS
        self._settle()
        if self._batch == self._checkpointed:
            return
        began = perf_counter()
        arrays, header = to_arrays(self._machine.state)
        header |= {"settings": to_record(self._machine.settings), "clocks": dict(self._machine.watermarks)}
        try:
            self._journal.save_checkpoint(arrays, header, self._batch, self._clock.now_us())
        except _UNWRITABLE:
            self._tally.add("sentinel_checkpoint_failures_total")
            raise
        self._checkpointed = self._batch
        self._tally.add("sentinel_checkpoints_total")
        self._tally.observe("sentinel_checkpoint_duration_seconds", perf_counter() - began)
        self._tally.set("sentinel_checkpoint_last_success_timestamp_seconds", self._now())

    def _now(self) -> float:
        return self._clock.now_us() / MICROSECONDS

    def _take(self, frame: Frame) -> None:
        """Commit the first of the held frames and let it move the state; it is held until it is committed."""
        began = perf_counter()
        self._heard[frame.source] = self._clock.now_us()
        frame = self._own(frame)
        self._tally.add("sentinel_commits_total")
        try:
            committed = self._journal.commit(frame, self._clock.now_us())
        except DataError as error:  # a fault of the source's code; its next frame may be sound
            self._held.popleft()
            self._tally.add("sentinel_source_fetch_failures_total", source=frame.source)
            logger.error("frame refused", extra={"source": frame.source, "why": str(error)})
            return
        self._held.popleft()
        counting.committed(self._tally, frame, committed, perf_counter() - began, self._now())
        if committed.batch >= 0:
            self._apply(committed)

    def _own(self, frame: Frame) -> Frame:
        """The frame without series that belong to another source: two lakes must not become one series."""
        state = self._machine.state
        if len(state.names) != len(self._owner):
            self._owner = {name: state.sources[at] for name, at in zip(state.names, state.source_of, strict=True)}
        names = frame.observations["series"].unique().to_list()
        foreign = sorted(name for name in names if self._owner.get(name, frame.source) != frame.source)
        if not foreign:
            return frame
        logger.error(
            "series of another source refused; give them other names (by, columns, series)",
            extra={"source": frame.source, "series": foreign[0], "belongs_to": self._owner[foreign[0]]},
        )
        return frame.without(foreign, Rejection.FOREIGN)

    def _apply(self, committed: Committed) -> None:
        self._owed.append((committed, self._machine.apply(committed)))
        self._batch = committed.batch
        self._settle()

    def _settle_restored(self, committed: Committed, result: Result) -> None:
        self._owed.append((committed, result))
        self._settle()
        self.last_beat_us = self._clock.now_us()

    def _settle(self) -> None:
        """Write what follows from the batches that have moved the state: events and digests."""
        while self._owed:
            committed, result = self._owed[0]
            told: tuple[AlarmEvent | SiteEvent, ...] = (*result.events, *result.sites)
            if told:
                settings = fingerprint(self._machine.settings)
                bodies = [body_of(event) | {"settings": settings} for event in told]
                self._journal.append_events(bodies, self._outbox.sinks, committed.batch)
            if self._machine.digests:
                self._journal.append_digests(self._machine.digests)
                self._machine.digests.clear()
            for event in told if self.restored else ():
                logger.warning(sentence_of(event), extra={"series": event.series, "alarm": event.alarm_id})
            self._owed.popleft()

    def _change(self, settings: Settings) -> None:
        """Record other settings and go on with them."""
        committed = self._journal.record("settings", {"settings": to_record(settings)}, self._clock.now_us())
        self._settings = settings
        self._apply(committed)

    def _retain(self) -> bool:
        """Forget what is old, a bounded part of it; True while there is more."""
        daemon = self._settings.daemon
        return self._journal.retain(self._clock.now_us() - daemon.retention, daemon.retention_bytes)

    def _stopped(self, error: Exception) -> None:
        """The journal cannot be written: hold what is held, say so, try again later."""
        if self._tally.get("sentinel_ingestion_stopped") == 0:
            logger.error("ingestion stopped: what comes is held, it goes on when the journal can be written",
                         extra={"why": str(error)})  # fmt: skip
        self._tally.add("sentinel_commit_failures_total")
        self._tally.set("sentinel_ingestion_stopped", 1)
        self.stopped_by = str(error)
        self._retry_at = monotonic() + RETRY_SECONDS

    def _published(self) -> Published:
        machine = self._machine
        return Published(
            machine.pipeline,
            machine.state,
            taken_us=self._clock.now_us(),
            watermarks=self._watermarks(),
            history=self.history,
        )

    def _watermarks(self) -> dict[str, int]:
        """Up to when each source has told everything; the clock of a silent or removed source goes on without it."""
        now = self._clock.now_us()
        every = {source.name: source.every for source in self._settings.sources}
        watermarks = dict(self._machine.watermarks)
        for name in watermarks:
            silent = now - self._heard.setdefault(name, now)
            if silent > SILENT_POLLS * every.get(name, 0):
                watermarks[name] += silent
        return watermarks

    def _publish(self) -> None:
        began = perf_counter()
        waiting = len(self._inbox) + sum(frame.observations.height for frame in self._held)
        self._tally.set("sentinel_inbox_observations", waiting)
        self._tally.set("sentinel_inbox_capacity_observations", self._inbox.capacity)
        self._tally.add("sentinel_engine_turns_total")
        for name in {site.name for site in self._settings.sites} | set(self._sites):
            standing = self._machine.state.sites.get(name)
            self._sites[name] = standing is not None and standing.raised_us >= 0
            self._tally.set("sentinel_site_alarm", self._sites[name], series=name)
        self.snapshot = self._published()
        self.last_beat_us = self._clock.now_us()
        self._tally.set("sentinel_engine_heartbeat_timestamp_seconds", self.last_beat_us / MICROSECONDS)
        self._tally.observe("sentinel_stage_duration_seconds", perf_counter() - began, task="snapshot")
