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
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Frame, Rejection
from sentinel.domain.status import SourceStatus
from sentinel.journal import Committed, Journal, JournalFull, JournalUnwritable
from sentinel.notify import Notifier
from sentinel.pipeline.codec import to_arrays
from sentinel.pipeline.history import History
from sentinel.pipeline.pipeline import Result
from sentinel.pipeline.published import Published
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.outbox import Outbox
from sentinel.runtime.replica import Replica, restore
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
        self, settings: Settings, journal: Journal, inbox: Inbox, metrics: Metrics, clock: Clock,
        notifiers: Mapping[str, Notifier], *, threads: int = 1,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._journal, self._inbox, self._metrics, self._clock = journal, inbox, metrics, clock
        self._outbox = Outbox(journal, notifiers, metrics, clock)
        self.sources = {source.name: SourceStatus(source.name) for source in settings.sources}
        """What is known of each source."""
        self._heard: dict[str, int] = {}
        self._owner: dict[str, str] = {}
        self.history = History(settings.web.history_series)
        self._replica = Replica(settings, self.history, self._observe_stage, threads=threads)
        self._held: deque[Frame] = deque()
        self._owed: deque[tuple[Committed, Result]] = deque()
        self._retry_at = 0.0
        self._reload: Settings | None = None
        self._sites: set[str] = set()
        """Sites shown once; one whose settings have gone is shown without an alarm."""
        self._checkpoint_at = monotonic() + settings.daemon.checkpoint_every / MICROSECONDS
        self._batch = 0
        self._checkpointed = -1
        self._forgetting = False
        self.restored = False
        self.last_beat_us = -1
        self.stopped_by = ""
        """Why no observation is accepted; empty while they are."""
        self._announce()
        self.snapshot = self._take_snapshot()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def restore(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Checkpoint and journal tail, bitwise; then the present settings, if they have changed.

        Left half-way, with `restored` still False, as soon as `stopped` says so.
        """
        batch = restore(self._journal, self._replica, self._settle_restored, stopped)
        if batch is None:
            return
        self._batch = batch
        if self._replica.settings != self._settings or self._journal.settings() is None:
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
                    self._forgetting = self._try_checkpoint()
                if self._forgetting:
                    self._forgetting = self._retain()
                self._metrics.journal_bytes.set(self._journal.size_bytes())
                self._metrics.ingestion_stopped.set(0)
                self.stopped_by = ""
            except _UNWRITABLE as error:
                self._stop_ingestion(error)
        else:
            sleep(max(0.0, min(timeout, self._retry_at - monotonic())))
        self._publish()
        if worked:
            self._metrics.engine_turn_duration.observe(perf_counter() - began)
        return worked

    def _try_checkpoint(self) -> bool:
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
        arrays, header = to_arrays(self._replica.state)
        header |= {"settings": to_record(self._replica.settings), "clocks": dict(self._replica.watermarks)}
        try:
            self._journal.save_checkpoint(arrays, header, self._batch, self._clock.now_us())
        except _UNWRITABLE:
            self._metrics.checkpoint_failures.inc()
            raise
        self._checkpointed = self._batch
        self._metrics.checkpoints.inc()
        self._metrics.checkpoint_duration.observe(perf_counter() - began)
        self._metrics.checkpoint_last_success.set(self._now())

    def _now(self) -> float:
        return self._clock.now_us() / MICROSECONDS

    def _take(self, frame: Frame) -> None:
        """Commit the first of the held frames and let it move the state; it is held until it is committed."""
        began = perf_counter()
        self._heard[frame.source] = self._clock.now_us()
        frame = self._own(frame)
        self._metrics.commits.inc()
        try:
            committed = self._journal.commit(frame, self._clock.now_us())
        except DataError as error:  # a fault of the source's code; its next frame may be sound
            self._held.popleft()
            self._metrics.source_fetch_failures.inc(source=frame.source)
            self._status_of(frame.source).refused += 1
            logger.error("frame refused", extra={"source": frame.source, "why": str(error)})
            return
        self._held.popleft()
        self._count_commit(frame, committed, perf_counter() - began)
        if committed.batch >= 0:
            self._apply(committed)

    def _own(self, frame: Frame) -> Frame:
        """The frame without series that belong to another source: two lakes must not become one series."""
        state = self._replica.state
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
        result = self._replica.apply(committed)
        self._count_result(result)
        self._owed.append((committed, result))
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
                settings = fingerprint(self._replica.settings)
                bodies = [body_of(event) | {"settings": settings} for event in told]
                self._journal.append_events(bodies, self._outbox.sinks, committed.batch)
            if self._replica.digests:
                self._journal.append_digests(self._replica.digests)
                self._replica.digests.clear()
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

    def _stop_ingestion(self, error: Exception) -> None:
        """The journal cannot be written: hold what is held, say so, try again later."""
        if not self.stopped_by:
            logger.error("ingestion stopped: what comes is held, it goes on when the journal can be written",
                         extra={"why": str(error)})  # fmt: skip
        self._metrics.commit_failures.inc()
        self._metrics.ingestion_stopped.set(1)
        self.stopped_by = str(error)
        self._retry_at = monotonic() + RETRY_SECONDS

    def _take_snapshot(self) -> Published:
        return Published(
            self._replica.pipeline, self._replica.state, taken_us=self._clock.now_us(),
            watermarks=self._watermarks(), history=self.history,
        )  # fmt: skip

    def _watermarks(self) -> dict[str, int]:
        """Up to when each source has told everything; the clock of a silent or removed source goes on without it."""
        now = self._clock.now_us()
        every = {source.name: source.every for source in self._settings.sources}
        watermarks = dict(self._replica.watermarks)
        for name in watermarks:
            silent = now - self._heard.setdefault(name, now)
            if silent > SILENT_POLLS * every.get(name, 0):
                watermarks[name] += silent
        return watermarks

    def _publish(self) -> None:
        """Take a new snapshot and beat."""
        began = perf_counter()
        metrics = self._metrics
        waiting = len(self._inbox) + sum(frame.observations.height for frame in self._held)
        metrics.inbox_observations.set(waiting)
        metrics.inbox_capacity_observations.set(self._inbox.capacity)
        metrics.engine_turns.inc()
        for name in {site.name for site in self._settings.sites} | self._sites:
            standing = self._replica.state.sites.get(name)
            metrics.site_alarm.set(standing is not None and standing.raised_us >= 0, series=name)
            self._sites.add(name)
        self.snapshot = self._take_snapshot()
        self.last_beat_us = self._clock.now_us()
        metrics.engine_heartbeat.set(self.last_beat_us / MICROSECONDS)
        metrics.stage_duration.observe(perf_counter() - began, task="snapshot")

    def _status_of(self, source: str) -> SourceStatus:
        return self.sources.setdefault(source, SourceStatus(source))

    def _announce(self) -> None:
        """Show every counter whose labels are known before it first counts."""
        metrics = self._metrics
        metrics.ingestion_stopped.set(0)
        for rule in self._settings.alarms:
            for alarms in (metrics.alarms_raised, metrics.alarms_cleared):
                alarms.inc(0, detector=rule.kind, threshold=rule.label)
        for site in self._settings.sites:
            for alarms in (metrics.site_alarms_raised, metrics.site_alarms_cleared):
                alarms.inc(0, series=site.name)
        of_source = (
            metrics.observations_received, metrics.observations_accepted, metrics.observations_duplicate,
            metrics.observations_revised, metrics.observations_late, metrics.ticks, metrics.missing_ticks, metrics.gaps,
        )  # fmt: skip
        for name in self.sources:
            for counter in of_source:
                counter.inc(0, source=name)
            for reason in Rejection.ALL:
                metrics.observations_rejected.inc(0, source=name, reason=reason)

    def _observe_stage(self, stage: str, seconds: float) -> None:
        if self.restored:  # what is replayed has been counted before
            self._metrics.stage_duration.observe(seconds, task=stage)

    def _count_commit(self, frame: Frame, found: Committed, took: float) -> None:
        """Count a frame that was committed in `took` seconds."""
        metrics, name, status = self._metrics, frame.source, self._status_of(frame.source)
        metrics.commit_duration.observe(took)
        metrics.stage_duration.observe(took, task="journal")
        metrics.last_commit.set(self._now())
        metrics.observations_received.inc(frame.observations.height, source=name)
        metrics.observations_accepted.inc(found.series.size, source=name)
        metrics.observations_duplicate.inc(found.duplicates, source=name)
        metrics.observations_revised.inc(found.revised, source=name)
        for reason, count in frame.rejected.items():
            metrics.observations_rejected.inc(count, source=name, reason=reason)
        status.received += frame.observations.height
        status.accepted += found.series.size
        status.rejected += sum(frame.rejected.values())
        if found.time_us.size:
            newest = int(found.time_us.max())
            status.newest_us = newest if status.newest_us is None else max(newest, status.newest_us)
            metrics.source_last_observation.set(status.newest_us / MICROSECONDS, source=name)

    def _count_result(self, result: Result) -> None:
        """Count what one batch gave."""
        metrics = self._metrics
        for source, late in result.late.items():
            metrics.observations_late.inc(late, source=source)
            self._status_of(source).late += late
        for source, (ticks, missing, gaps) in result.ticks.items():
            metrics.ticks.inc(ticks, source=source)
            metrics.missing_ticks.inc(missing, source=source)
            metrics.gaps.inc(gaps, source=source)
        for event in result.events:
            alarms = metrics.alarms_raised if event.what == "raised" else metrics.alarms_cleared
            alarms.inc(detector=event.rule, threshold=event.label)
        for site in result.sites:
            alarms = metrics.site_alarms_raised if site.what == "raised" else metrics.site_alarms_cleared
            alarms.inc(series=site.series)
