"""The engine: one thread that takes frames from the inbox, writes the journal and moves the state. The one writer.

What moves state is on disk before it moves it. Observations and cursors are committed together; events follow from
the state and carry ids of their own, so that a replay after a crash writes the same ones again and none twice. If the
journal cannot be written (a full disk), the engine holds the frame, takes no more, says so, and tries again: nothing
is lost, and nothing goes on unseen.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from threading import Lock
from time import monotonic, perf_counter, sleep
from typing import Any

from sentinel.config import Settings, to_record
from sentinel.domain.acting import Action, events_of
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError, UsageError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor, Frame
from sentinel.journal import Committed, Journal
from sentinel.notify import Receiver
from sentinel.pipeline.history import History
from sentinel.pipeline.pipeline import PipelineState, Result
from sentinel.pipeline.plan import list_names
from sentinel.pipeline.snapshot import Snapshot
from sentinel.runtime.acting import choose_shown, find_fact, find_shown, log_events
from sentinel.runtime.checkpointing import UNWRITABLE, Checkpointing
from sentinel.runtime.drill import Drill
from sentinel.runtime.inbox import Accounts, Inbox
from sentinel.runtime.naming import bodies_of, first_named, log_fill_values, log_without_rule, present_named
from sentinel.runtime.outbox import Outbox
from sentinel.runtime.recomputing import Recomputed, note_unread
from sentinel.runtime.replica import Replica, restore
from sentinel.sources.claims import Claim

logger = logging.getLogger(__name__)

TURN_SECONDS = 1.0
"""A turn takes in frames for about this long, then tells the world."""
MOST_TOGETHER, OBSERVATIONS_TOGETHER = 1_000, 50_000
"""Frames that wait, and their observations, that are committed together at most."""
RETRY_SECONDS = 1.0


class Engine:
    """Owns all state; everything else hands frames to the inbox or reads `snapshot`."""

    def __init__(
        self, settings: Settings, journal: Journal, inbox: Inbox, metrics: Metrics, clock: Clock,
        receivers: Mapping[str, Receiver], *, threads: int = 1,
        acknowledge: Callable[[str, Cursor], None] = lambda _source, _cursor: None,
    ) -> None:  # fmt: skip
        self.settings = settings
        """The settings in force."""
        self._journal, self._inbox, self._metrics, self._clock = journal, inbox, metrics, clock
        self._acknowledge = acknowledge
        self._accounts = Accounts(settings, metrics, clock)
        self.outbox = Outbox(journal, receivers, metrics, clock, self._accounts.labels)
        self.drill = Drill(lambda: self.settings, journal, inbox, self.outbox, metrics, clock, self._accounts.statuses)
        self.sources = self._accounts.statuses
        """Facts about each source, by its id."""
        self.history = History(settings.web.history_series, lock=Lock())
        watch = self.outbox.readings.observe
        self._replica = Replica(settings, self.history, self._observe_stage, threads=threads, watch=watch)
        self._held: deque[Frame] = deque()
        self._asked: deque[tuple[Mapping[str, Any], Future[str]]] = deque()
        self._recomputed: deque[Recomputed] = deque()
        self.corrected, self.amended = 0, 0
        """The last batch with corrections, and that up to which they have taken effect."""
        self._owed: deque[tuple[Committed, Result]] = deque()
        self._retry_at = 0.0
        self._reload: tuple[Settings, Mapping[str, Receiver] | None] | None = None
        self._with_fill_values: set[str] = set()
        """Series whose fill values have been named in the log."""
        self._unwatched: Sequence[str] = ()
        """Series that no alarm rule fits, of which the log has told."""
        every_us = settings.daemon.checkpoint_every
        self._checkpoints = Checkpointing(journal, self._replica, metrics, clock, every_us)
        self._batch, self._forgetting = 0, False
        self.events: tuple[Mapping[str, Any], ...] = ()
        """The newest events as they were kept, in their order, and all of alarms that are open."""
        self.restored, self.last_beat_us = False, -1
        self.stopped_by = ""
        """Reason why no observation is accepted; empty while they are."""
        metrics.ingestion_stopped.set(0)
        self.snapshot = self._take_snapshot()

    def restore(
        self, stopped: Callable[[], bool] = lambda: False, before_replay: Callable[[int], None] = lambda _batch: None
    ) -> None:
        """Restore the state from checkpoint and journal, bitwise; then use the present settings, if they have changed.

        Left half-way, with `restored` still False, as soon as `stopped` says so.
        """
        batch = restore(self._journal, self._replica, self._settle_restored, stopped, before_replay)
        if batch is None:
            return
        self._batch = batch
        if unread := note_unread(self._journal, self._replica, self._clock.now_us()):
            self._apply(unread)
        self.outbox.begin()  # before the settings are recorded: where receivers were is known from those of before
        if self._replica.settings != self._divide(self.settings) or self._journal.settings() is None:
            self._change(self.settings)
        self.corrected, self.amended = self._journal.corrected(), self._journal.amended()
        self._accounts.resume(self.state)
        self.drill.resume()
        self.events = find_shown(self._journal)
        self._publish()
        self.restored = True  # after the snapshot: /metrics is answered from now on, and must show the open alarms

    def expect(self, claims: Mapping[str, Claim]) -> None:
        """Note what was seen of the sources before they are started."""
        self._accounts.ownership.expect(claims)

    def reload(self, settings: Settings, receivers: Mapping[str, Receiver] | None = None) -> None:
        """Use other settings from the next turn on, and these receivers, where they are given, in place of all others.

        Other sources are known at once, so that they can be started.
        """
        self._reload = settings, receivers
        self._accounts.change(settings)

    @property
    def state(self) -> PipelineState:
        """The state as it is now."""
        return self._replica.state

    def is_idle(self) -> bool:
        """Say whether everything that sources have given is in the journal and in the state."""
        return not (self._held or self._owed or self._inbox.has_frames or self._reload)

    def waiting(self) -> int:
        """Count the observations that wait to be taken in."""
        return len(self._inbox) + sum(frame.observations.height for frame in self._held)

    def ask(self, request: Mapping[str, Any]) -> Future[str]:
        """Let the engine do what an operator asks for; called by any thread, done between two frames.

        The future gives a sentence on what was done; UsageError where it asks for the impossible.
        """
        answer: Future[str] = Future()
        self._asked.append((request, answer))
        return answer

    def note_amended(self, found: Recomputed) -> None:
        """Let the engine go on with series that were computed anew; called by any thread."""
        self._recomputed.append(found)

    def _act(self) -> None:
        """Journal what operators have asked for, and series computed anew; what the journal cannot take now waits."""
        if self._recomputed:
            found = self._recomputed[0]
            committed = found.record(self._journal, self._replica.state, self._clock.now_us())
            if found.is_done:
                self._recomputed.popleft()
                self.amended = found.until if committed else self.amended
            if committed:
                self._apply(committed)
                self._accounts.count_too_old(committed.payload["too_old"])
        while self._asked:
            request, answer = self._asked[0]
            try:
                fact, said = find_fact(request, self._journal, self._replica.state, self._clock.now_us())
            except UsageError as error:
                answer.set_exception(error)
            else:
                self._apply(self._journal.record("operator", fact, self._clock.now_us()))
                logger.warning("operator", extra={"did": said})
                answer.set_result(said)
            self._asked.popleft()

    def turn(self, timeout: float) -> bool:
        """Take in what waits, for which it waits up to `timeout` seconds; True if there was anything to do."""
        began, worked = perf_counter(), False
        if monotonic() >= self._retry_at:
            try:
                self._journal.require_file()
                self._settle()
                if self._reload is not None:
                    self._use(*self._reload)
                self._act()
                self.drill.step()
                if not self._held:
                    self._held.extend(self.drill.sort_out(self._inbox.take_all(timeout)))
                    began = perf_counter()
                while self._held and perf_counter() - began < TURN_SECONDS:
                    self._take(self._gather())
                    worked = True
                self.outbox.deliver()
                self._forgetting |= self._checkpoints.step(
                    self._batch, self.settings.daemon.checkpoint_every, lambda: self.is_idle() and not self._asked
                )
                if self._forgetting:  # a bounded part of it each turn
                    daemon, now = self.settings.daemon, self._clock.now_us()
                    before_us, since_us = now - daemon.retention, self.state.kept_since_us(daemon.retention_ticks, now)
                    self._forgetting = self._journal.retention.step(before_us, daemon.retention_bytes, since_us)
                self._metrics.journal_bytes.set(self._journal.retention.size_bytes())
                self._resume_ingestion()
            except UNWRITABLE as error:
                self._stop_ingestion(error)
        else:
            sleep(max(0.0, min(timeout, self._retry_at - monotonic())))
        self._publish()
        if worked:
            self._metrics.engine_turn_duration.observe(perf_counter() - began)
        return worked

    def flush(self, seconds: float) -> None:
        """Send what is owed to the receivers, for at most so long, and close them; the engine's last act."""
        self.drill.end()
        self.outbox.flush(seconds)
        self.outbox.close()

    def checkpoint(self) -> None:
        """Save the state at once, if it has moved since the last time."""
        self._settle()
        self._checkpoints.save(self._batch, self.settings.daemon.checkpoint_every)

    def _gather(self) -> list[Frame]:
        """Give the first of the held frames, and those after it that can move the state with it.

        They are of different sources, and no series comes from two of them, or from another source than before.
        """
        state, frames = self._replica.state, [self._held[0]]
        new = self._accounts.new_series(present_named(frames[0], state.renamed), state)
        if self.settings.shares_with_fleet or new is None:
            return frames
        sources, size = {frames[0].source}, frames[0].observations.height
        for frame in islice(self._held, 1, MOST_TOGETHER):
            size += frame.observations.height
            more = self._accounts.new_series(present_named(frame, state.renamed), state)
            if frame.source in sources or size > OBSERVATIONS_TOGETHER or more is None or new & more:
                break
            sources.add(frame.source)
            new |= more
            frames.append(frame)
        return frames

    def _take(self, frames: Sequence[Frame]) -> None:
        """Commit the first held frames and let them move the state; they are held until they are committed."""
        began = perf_counter()
        renamed = self._replica.state.renamed
        received = [self._accounts.receive(present_named(frame, renamed), self._replica.state) for frame in frames]
        for name in (name for one in received for name in one.anew):
            fact = {"action": Action.BEGUN_ANEW, "series": name}
            self._apply(self._journal.record("operator", fact, self._clock.now_us()))
        if self.settings.shares_with_fleet and (coming := self._accounts.unknown_series(received[0].frame)):
            self._make_room(coming)
        self._metrics.commits.inc()
        try:
            committed = self._journal.commit_all(first_named(received, renamed), self._clock.now_us())
        except DataError as error:  # a fault of the source's code; its next frame may be sound
            if len(frames) > 1:  # each by itself, and only that one is refused
                for frame in frames:
                    self._take([frame])
                return
            self._held.popleft()
            self._accounts.refuse(received[0].frame, str(error))
            return
        for frame in frames:
            self._held.popleft()
            self._acknowledge(frame.source, frame.cursor)
        took = perf_counter() - began
        self._metrics.commit_duration.observe(took)
        self._metrics.stage_duration.observe(took, task="journal")
        self._metrics.last_commit.set(self._clock.now_us() / MICROSECONDS)
        for each, one in zip(received, committed, strict=True):
            self._accounts.count_commit(each.frame, one)
            self.corrected = one.batch if one.corrections[0].size else self.corrected
        if joined := [one for one in committed if one.batch >= 0]:
            self._apply(*joined)
        for each in received:
            for name in self._accounts.note_columns(each.frame, self._replica.state):
                fact = {"action": Action.FORGOTTEN, "series": name, "by": "", "note": "it counts"}
                self._apply(self._journal.record("operator", fact, self._clock.now_us()))
                logger.warning("series is forgotten: its column counts", extra={"series": name})

    def _apply(self, *joined: Committed) -> None:
        result = self._replica.apply(*joined)
        self._batch = joined[-1].batch
        self._owed.append((joined[-1], result))  # first of all: what follows reads the journal, which may fail
        self._accounts.count_result(result, self._journal.count_forgotten(joined) if result.late else {})
        self._settle()

    def _settle_restored(self, committed: Committed, result: Result) -> None:
        self._owed.append((committed, result))
        self._settle()
        self.last_beat_us = self._clock.now_us()

    def _settle(self) -> None:
        """Write what follows from the batches that have moved the state: events and digests."""
        while self._owed:
            committed, result = self._owed[0]
            bodies = bodies_of(result, committed, self._replica, self._journal)
            self._journal.append_events(bodies, self.outbox.sinks, committed.batch)
            self.outbox.note(bodies)
            self.outbox.readings.keep(committed.batch)
            if committed.kind == "operator":
                acted = events_of(committed.payload, committed.batch, committed.arrival_us)
                self._journal.append_events(acted, (), committed.batch)
                bodies += acted
            if self._replica.digests:
                self._journal.append_digests(self._replica.digests)
                self._replica.digests.clear()
            if bodies and self.restored:
                log_events(bodies)
                self.events = choose_shown((*self.events, *bodies))
            self._owed.popleft()

    def _use(self, settings: Settings, receivers: Mapping[str, Receiver] | None) -> None:
        """Put other settings in force, and other receivers: these are owed the alarms that are open."""
        if receivers is not None:
            # Those of before hear what ends now; and where they were is known from what is recorded, as at a start.
            before = {"notify": self.settings.notify, "drill": self.settings.drill}
            if (rest := settings.model_copy(update=before)) != self.settings:
                self._change(rest)
            self.outbox.replace(receivers, self._accounts.labels)
            self._reload = settings, None
        if settings != self.settings:
            self._change(settings)
        self._reload, self._unwatched = None, ()

    def _divide(self, settings: Settings, coming: Sequence[str] = ()) -> Settings:
        """Share budgets of a fleet between the series that there are and those that are coming."""
        if not settings.shares_with_fleet:
            return settings
        state = self._replica.state
        # A reload may have changed the comparisons.
        own = (state.names[number] for number in state.ids.tolist() if number >= 0)
        return settings.divide(list_names(settings, [*own, *coming]))

    def _make_room(self, coming: Sequence[str]) -> None:
        """Divide the budgets anew before series come in that share them, if that changes any."""
        if self._divide(self.settings, coming) != self._replica.settings:
            self._change(self.settings, coming)

    def _change(self, settings: Settings, coming: Sequence[str] = ()) -> None:
        """Record other settings and go on with them; for what a fleet shares, its number of series is recorded."""
        record = to_record(self._divide(settings, coming))
        committed = self._journal.record("settings", {"settings": record}, self._clock.now_us())
        self.settings = settings
        self._apply(committed)

    def _stop_ingestion(self, error: Exception) -> None:
        """Hold what is held because the journal cannot be written, say so, and try again later."""
        if not self.stopped_by:
            what = "ingestion stopped: what comes is held, it goes on when the journal can be written"
            logger.error(what, extra={"why": str(error)})
        self._metrics.commit_failures.inc()
        self._metrics.ingestion_stopped.set(1)
        self.stopped_by = str(error)
        self._retry_at = monotonic() + RETRY_SECONDS

    def _resume_ingestion(self) -> None:
        if self.stopped_by:
            logger.warning("ingestion resumed: the journal can be written again", extra={"waiting": self.waiting()})
        self._metrics.ingestion_stopped.set(0)
        self.stopped_by = ""

    def _take_snapshot(self) -> Snapshot:
        return Snapshot(
            self._replica.pipeline, self._replica.state, taken_us=self._clock.now_us(),
            watermarks=self._accounts.watermarks(self._replica.watermarks), history=self.history,
        )  # fmt: skip

    def _publish(self) -> None:
        """Take a new snapshot and beat."""
        began, metrics = perf_counter(), self._metrics
        metrics.inbox_observations.set(self.waiting())
        metrics.inbox_capacity_observations.set(self._inbox.capacity)
        metrics.engine_turns.inc()
        self._accounts.show_sites(self.settings, self._replica.state.sites)
        self.snapshot = self._take_snapshot()
        self._with_fill_values |= log_fill_values(self.snapshot, self._with_fill_values)
        self._unwatched = log_without_rule(self.snapshot, self._unwatched)
        self.last_beat_us = self._clock.now_us()
        metrics.engine_heartbeat.set(self.last_beat_us / MICROSECONDS)
        metrics.stage_duration.observe(perf_counter() - began, task="snapshot")

    def _observe_stage(self, stage: str, seconds: float) -> None:
        if self.restored:  # what is replayed has been counted before
            self._metrics.stage_duration.observe(seconds, task=stage)
