"""Runs the sources that are asked: a job on time for each. The one door to APScheduler.

A job fetches, hands the frame to the inbox and keeps the cursor for the next fetch; nothing else. What can go wrong
is counted: a source that fails, a run that came too late (`misfire`), a run that found the one before it
still busy (`max_instances`), runs of which only the last was made because all became due together, as when the machine
had slept (`coalesced`). APScheduler's thread can die while `scheduler.running` stays true, so there is a heartbeat
of its own, and `alive` looks at the thread itself; the engine watches both.

APScheduler goes by the wall clock, which jumps: a board without a clock boots in 1970. Ahead, it would list every run
that a job missed; our trigger counts them instead. Back, it would sleep until the clock is there again; `follow_clock`
lets no job wait longer than its interval. What counts as missed is bounded by the time that has really passed.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Condition, Event, Thread

from apscheduler import events
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor
from sentinel.domain.states import SourceStatus
from sentinel.runtime.contact import Contact
from sentinel.runtime.inbox import Inbox
from sentinel.sources import PullSource

logger = logging.getLogger(__name__)

MOST_THREADS = 16
"""Sources that are fetched at the same time."""
BEAT_SECONDS = 1.0
STALLED_SECONDS = 30.0
"""Without a beat for so long the scheduler counts as dead."""
END_SECONDS = 1.0
"""Bound on the wait for the scheduler's thread to end."""
_BEAT, _ONCE = "heartbeat", "once"
_SLACK = timedelta(seconds=1)
"""Time by which two clocks may differ, and an event be told late."""
_MISSED = {events.EVENT_JOB_MISSED: "misfire", events.EVENT_JOB_MAX_INSTANCES: "max_instances"}
_COALESCED = "coalesced"


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

    `cursors` are by id of the source, from the journal; a source without one is read from its start. What is found out
    about each is written to `statuses`, by id.
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
            executors={name: ThreadPoolExecutor(of) for name, of in (("default", threads), (_BEAT, 1), (_ONCE, 1))},
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

    def once(self, job: Callable[[], None]) -> None:
        """Run something at once, in a thread of the scheduler that no source waits in."""
        self._scheduler.add_job(job, executor=_ONCE, next_run_time=_wall_clock(), misfire_grace_time=None)

    def follow_clock(self) -> None:
        """Let no job wait longer than its interval: the clock may have been set back. Called every second or so."""
        now = _wall_clock()
        for job in self._scheduler.get_jobs() if self._scheduler.running else ():
            if job.next_run_time - now > getattr(job.trigger, "interval", timedelta(0)) + _SLACK:
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
            task.contact.catch_up(False)  # it is down, which is another fault than being behind
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
        for task in self._tasks.values():  # at each beat: the next run of one that hangs may be due in an hour
            task.contact.say_if_it_hangs()

    def _on_missed(self, event: events.JobEvent) -> None:
        task = self._tasks.get(event.job_id)
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
