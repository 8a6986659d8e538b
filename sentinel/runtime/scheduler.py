"""Runs the sources: a job on time for each that is asked, a thread for each that pushes. The one door to APScheduler.

A job fetches, hands the frame to the inbox and keeps the cursor for the next fetch; nothing else. What can go wrong
is counted: a source that fails, a run that came too late (`misfire`), a run that found the one before it
still busy (`max_instances`), runs of which only the last was made because all became due together, as when the machine
had slept (`coalesced`). APScheduler's thread can die while `scheduler.running` stays true, so there is a heartbeat
of its own, and `alive` looks at the thread itself; the engine watches both.

APScheduler goes by the wall clock, which jumps: a board without a clock boots in 1970. Ahead, it would list every run
that a job missed; our trigger counts them instead. Back, it would sleep until the clock is there again; `follow_clock`
lets no job wait longer than its interval. What counts as missed is bounded by the time that has really passed.

The thread of a source that pushes starts it and acknowledges, and tries again ever more rarely what fails. The engine
reports a frame after its commit and goes on at once; whoever sent the frame is told in that thread. A frame that was
handed over but not committed is never acknowledged, so its sender sends it again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Condition, Event, Thread

import polars as pl
from apscheduler import events
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import SentinelError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor, Frame
from sentinel.domain.states import SourceStatus
from sentinel.runtime.inbox import Inbox
from sentinel.sources import PullSource, PushSource, Source, SourceError

logger = logging.getLogger(__name__)

MOST_THREADS = 16
"""Sources that are fetched at the same time."""
BEAT_SECONDS = 1.0
STALLED_SECONDS = 30.0
"""Without a beat for so long the scheduler counts as dead."""
END_SECONDS = 1.0
"""Bound on the wait for the scheduler's thread to end."""
HANGS_SECONDS = 30.0
"""A fetch that takes longer is said once in the log."""
PUT_SECONDS = 0.2
"""Bound on the wait of a frame for room in the inbox; then it is looked whether the daemon stops."""
LOOK_SECONDS = 1.0
"""So often it is asked of a source that pushes, and of which nothing comes, whether anything can."""
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
"""Waits before what failed of a source that pushes is tried again."""
_BEAT = "heartbeat"
_SLACK = timedelta(seconds=1)
"""What two clocks may differ by, and an event be told late."""
_MISSED = {events.EVENT_JOB_MISSED: "misfire", events.EVENT_JOB_MAX_INSTANCES: "max_instances"}
_COALESCED = "coalesced"


class Contact:
    """Hands the frames of one source to the inbox, and tells status, metrics and log how the source does."""

    def __init__(
        self, source: Source, inbox: Inbox, statuses: MutableMapping[str, SourceStatus], metrics: Metrics, clock: Clock,
        stopping: Event,
    ) -> None:  # fmt: skip
        name = source.name
        self._name, self._inbox, self._metrics, self._clock, self._stopping = name, inbox, metrics, clock, stopping
        self._status = statuses.setdefault(source.id, SourceStatus(name))
        self._failure = ""
        self._complaints: tuple[str, ...] = ()
        self._hang_said = False
        metrics.source_fetches.inc(0, source=name)
        metrics.source_fetch_failures.inc(0, source=name)

    def count_fetch(self) -> None:
        """Count a frame that was asked for, or came."""
        self._status.fetches += 1
        self._metrics.source_fetches.inc(source=self._name)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Show since when it is being asked: a source that hangs says nothing by itself."""
        self._status.in_flight_us, self._hang_said = self._clock.now_us(), False
        self._metrics.source_in_flight_since.set(self._status.in_flight_us / MICROSECONDS, source=self._name)
        try:
            yield
        finally:
            self._status.in_flight_us = None
            self._metrics.source_in_flight_since.set(0, source=self._name)

    def say_if_it_hangs(self) -> None:
        """Log once that a fetch does not end."""
        since_us = self._status.in_flight_us
        seconds = 0.0 if since_us is None else (self._clock.now_us() - since_us) / MICROSECONDS
        if seconds >= HANGS_SECONDS and not self._hang_said:
            self._hang_said = True
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
        for complaint in frame.complaints if frame.complaints != self._complaints else ():
            logger.warning("observations left out", extra={"source": self._name, "why": complaint})
        self._complaints = frame.complaints
        return True

    def succeed(self) -> None:
        """Note that the source works."""
        now_us = self._clock.now_us()
        self._status.up, self._status.last_success_us = True, now_us
        self._metrics.source_up.set(1, source=self._name)
        self._metrics.source_last_success.set(now_us / MICROSECONDS, source=self._name)
        if self._failure:
            logger.info("source is back", extra={"source": self._name})
            self._failure = ""

    def catch_up(self, more: bool) -> None:
        """Note if it has more to tell at once."""
        self._status.catching_up = more
        self._metrics.source_catching_up.set(more, source=self._name)

    def fail(self, error: BaseException, what: str = "source cannot be read") -> None:
        """Note that it does not work; the same reason is logged once."""
        is_expected = isinstance(error, SentinelError | OSError | pl.exceptions.PolarsError)
        why = str(error) if is_expected else f"{type(error).__name__}: {error}"
        self._status.up, self._status.last_failure_us = False, self._clock.now_us()
        self._status.failed += 1
        self._metrics.source_fetch_failures.inc(source=self._name)
        self._metrics.source_up.set(0, source=self._name)
        if why != self._failure:
            # A fault of the program, not of the source, is logged with its place.
            level, trace = (logging.WARNING, None) if is_expected else (logging.ERROR, error)
            logger.log(level, what, extra={"source": self._name, "why": why}, exc_info=trace)
            self._failure = why


@dataclass(slots=True)
class _Task:
    """One source and how far it has been read."""

    source: PullSource
    cursor: Cursor | None
    contact: Contact
    catching_up: bool = False
    """The running job has more to read right away: a run that is skipped meanwhile misses nothing."""
    running: bool = False
    due: datetime | None = None
    """When its last run was due, whether it was made or not."""
    due_seconds: float = 0.0
    """The same by the clock that does not jump."""


class _Every(IntervalTrigger):  # type: ignore[misc]  # the library has no types
    """Due at every interval; of runs that are overdue only the last is named."""

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return when it is due after the run before, or the last of the times since then that are over."""
        if previous_fire_time is not None:
            behind = (now - previous_fire_time) // self.interval
            if behind > 1:
                late: datetime = previous_fire_time + behind * self.interval
                return late
        due: datetime | None = super().get_next_fire_time(previous_fire_time, now)
        return due


def _wall_clock() -> datetime:
    """Give the machine's clock, by which APScheduler goes whatever clock the rest of the program has."""
    return datetime.fromtimestamp(Clock().now_us() / MICROSECONDS, UTC)


def _steady_seconds() -> float:
    """Give the time since the machine was started, sleep included: nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Schedule:
    """Polls sources into an inbox.

    Parameters
    ----------
    cursors: by id of the source, from the journal; a source without one is read from its start.
    statuses: by id; what is found out about each is written there.
    """

    def __init__(
        self, sources: Iterable[PullSource], inbox: Inbox, cursors: Mapping[str, Cursor],
        statuses: MutableMapping[str, SourceStatus], metrics: Metrics, clock: Clock,
    ) -> None:  # fmt: skip
        self._metrics, self._clock = metrics, clock
        self._stopping = Event()
        self._tasks = {
            each.name: _Task(each, cursors.get(each.id), Contact(each, inbox, statuses, metrics, clock, self._stopping))
            for each in sources
        }
        self._idle = Condition()
        self.last_beat = time.monotonic()
        """When the scheduler last ran its heartbeat, by `time.monotonic`."""
        # A missed or skipped run is counted by us; APScheduler's warning for each would flood the log.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        threads = max(1, min(MOST_THREADS, len(self._tasks)))
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()}, timezone=UTC,
            executors={"default": ThreadPoolExecutor(threads), _BEAT: ThreadPoolExecutor(1)},
        )  # fmt: skip
        self._scheduler.add_listener(self._on_missed, events.EVENT_JOB_MISSED | events.EVENT_JOB_MAX_INSTANCES)
        self._scheduler.add_listener(self._on_due, events.EVENT_JOB_SUBMITTED | events.EVENT_JOB_MAX_INSTANCES)
        for name, task in self._tasks.items():  # every counter is shown before it first counts
            metrics.task_expected_interval.set(task.source.every_us / MICROSECONDS, task=name)
            metrics.source_expected_interval.set(task.source.every_us / MICROSECONDS, source=name)
            metrics.task_runs.inc(0, task=name)
            metrics.task_failures.inc(0, task=name)
            for reason in (*_MISSED.values(), _COALESCED):
                metrics.task_missed.inc(0, task=name, reason=reason)

    def start(self) -> None:
        """Fetch every source now, and from now on at its interval."""
        now = _wall_clock()
        for name, task in self._tasks.items():
            seconds = task.source.every_us / MICROSECONDS
            self._scheduler.add_job(
                self._run, _Every(seconds=seconds, start_date=now, timezone=UTC), args=(task,), id=name,
                next_run_time=now, coalesce=True, max_instances=1,
                # A run that starts later than the next one is due has nothing to add to it.
                misfire_grace_time=max(1, math.ceil(seconds)),
            )  # fmt: skip
        self._scheduler.add_job(
            self._beat, _Every(seconds=BEAT_SECONDS, start_date=now, timezone=UTC), id=_BEAT, executor=_BEAT,
            next_run_time=now, coalesce=True, max_instances=1, misfire_grace_time=None,  # a late beat is a beat
        )  # fmt: skip
        self.last_beat = time.monotonic()
        self._scheduler.start()
        self._metrics.scheduler_up.set(1)

    def follow_clock(self) -> None:
        """Let no job wait longer than its interval: the clock may have been set back. Called every second or so."""
        now = _wall_clock()
        for job in self._scheduler.get_jobs() if self._scheduler.running else ():
            if job.next_run_time - now > job.trigger.interval + _SLACK:
                job.modify(next_run_time=now)

    def alive(self) -> bool:
        """Say whether the scheduler's thread lives and beats; `running` of APScheduler says only that it started."""
        thread: Thread | None = getattr(self._scheduler, "_thread", None)
        is_beating = time.monotonic() - self.last_beat < STALLED_SECONDS
        is_alive = is_beating and thread is not None and thread.is_alive()
        self._metrics.scheduler_up.set(is_alive)
        return is_alive

    def stop(self, seconds: float) -> bool:
        """Start no more jobs, wait at most that long for those that run, close the sources; True if all have ended."""
        self._stopping.set()
        if self._scheduler.running:
            # It waits for the scheduler's thread, and that may hang.
            ending = Thread(target=self._scheduler.shutdown, args=(False,), daemon=True)
            ending.start()
            ending.join(END_SECONDS)
        self._metrics.scheduler_up.set(0)
        with self._idle:
            ended = self._idle.wait_for(lambda: not any(task.running for task in self._tasks.values()), seconds)
        for task in self._tasks.values():
            if not task.running:
                task.source.close()
        return ended

    def _run(self, task: _Task) -> None:
        """Run one job: read a source until it has no more to tell."""
        name, began = task.source.name, time.monotonic()
        self._metrics.task_runs.inc(task=name)
        task.running = True
        try:
            more = True
            while more and not self._stopping.is_set():
                task.contact.count_fetch()
                with task.contact.in_flight():
                    frame = task.source.fetch(task.cursor)
                if not task.contact.take(frame):
                    break
                task.cursor = frame.cursor
                task.catching_up = more = frame.more
                task.contact.catch_up(more)
                self._metrics.task_last_success.set(self._clock.now_us() / MICROSECONDS, task=name)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, it is read again
            self._metrics.task_failures.inc(task=name)
            task.contact.fail(error)
        finally:
            task.catching_up = False
            self._metrics.task_duration.observe(time.monotonic() - began, task=name)
            with self._idle:
                task.running = False
                self._idle.notify_all()

    def _beat(self) -> None:
        self.last_beat = time.monotonic()
        self._metrics.scheduler_heartbeat.set(self._clock.now_us() / MICROSECONDS)

    def _on_missed(self, event: events.JobEvent) -> None:
        task = self._tasks.get(event.job_id)
        if task is not None:
            task.contact.say_if_it_hangs()
        if task is not None and not (event.code == events.EVENT_JOB_MAX_INSTANCES and task.catching_up):
            self._metrics.task_missed.inc(task=task.source.name, reason=_MISSED[event.code])

    def _on_due(self, event: events.JobSubmissionEvent) -> None:
        """Count the runs that became due together with this one: APScheduler makes one, and tells of no other."""
        task = self._tasks.get(event.job_id)
        if task is None:
            return
        due, now = event.scheduled_run_times[-1], _steady_seconds()
        if task.due is not None and not task.catching_up:
            passed = min(due - task.due, timedelta(seconds=now - task.due_seconds) + _SLACK).total_seconds()
            skipped = round(passed * MICROSECONDS / task.source.every_us) - 1
            self._metrics.task_missed.inc(max(0, skipped), task=task.source.name, reason=_COALESCED)
        task.due, task.due_seconds = due, now


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
