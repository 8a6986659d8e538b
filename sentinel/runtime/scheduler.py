"""The scheduler: one job per source, polled on time. The one door to APScheduler.

A job fetches, hands the frame to the inbox and keeps the cursor for the next fetch; nothing else. What can go wrong
with polling is counted: a source that fails, a run that came too late (`misfire`), a run that found the one before it
still busy (`max_instances`), runs of which only the last was made because all became due together, as when the machine
had slept (`coalesced`). APScheduler's thread can die while `scheduler.running` stays true, so there is a heartbeat
of its own, and `alive` looks at the thread itself; the engine watches both.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Event, Thread

import polars as pl
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
    JobSubmissionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sentinel.domain.clock import MICROSECONDS, Clock, SystemClock
from sentinel.domain.errors import SentinelError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Cursor
from sentinel.domain.states import SourceStatus
from sentinel.runtime.inbox import Inbox
from sentinel.sources import PullSource

logger = logging.getLogger(__name__)

MOST_THREADS = 16
"""Sources that are fetched at the same time."""
BEAT_SECONDS = 1.0
STALLED_SECONDS = 30.0
"""Without a beat for so long the scheduler counts as dead."""
PUT_SECONDS = 0.2
"""How long a job waits for room in the inbox before it looks whether it should stop."""
_BEAT = "heartbeat"
_MISSED = {EVENT_JOB_MISSED: "misfire", EVENT_JOB_MAX_INSTANCES: "max_instances"}
_COALESCED = "coalesced"


@dataclass(slots=True)
class _Task:
    """One source: how far it has been read, and what was last logged about it."""

    source: PullSource
    every_us: int
    cursor: Cursor | None
    status: SourceStatus
    catching_up: bool = False
    """The running job has more to read right away: a run that is skipped meanwhile misses nothing."""
    failure: str = ""
    complaints: tuple[str, ...] = ()
    running: bool = False
    due: datetime | None = None
    """When its last run was due, whether it was made or not."""


class Schedule:
    """Polls sources into an inbox.

    Parameters
    ----------
    sources: each with its interval in microseconds.
    cursors: by source, from the journal; a source without one is read from its start.
    statuses: by source; what is found out about each is written there.
    """

    def __init__(
        self,
        sources: Iterable[tuple[PullSource, int]],
        inbox: Inbox,
        cursors: Mapping[str, Cursor],
        statuses: MutableMapping[str, SourceStatus],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._tasks = {
            source.name: _Task(
                source, every_us, cursors.get(source.name), statuses.setdefault(source.name, SourceStatus(source.name))
            )
            for source, every_us in sources
        }
        self._inbox = inbox
        self._metrics = metrics
        self._clock = clock
        self._stopping = Event()
        self._idle = Condition()
        self.last_beat = time.monotonic()
        """When the scheduler last ran its heartbeat, by `time.monotonic`."""
        # A missed or skipped run is counted by us; APScheduler's warning for each would flood the log.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={
                "default": ThreadPoolExecutor(max(1, min(MOST_THREADS, len(self._tasks)))),
                _BEAT: ThreadPoolExecutor(1),
            },
            timezone=UTC,
        )
        self._scheduler.add_listener(self._on_event, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_ERROR)
        self._scheduler.add_listener(self._on_due, EVENT_JOB_SUBMITTED | EVENT_JOB_MAX_INSTANCES)
        for task in self._tasks.values():
            self._announce(task)

    def start(self) -> None:
        """Fetch every source now, and from now on at its interval."""
        # APScheduler goes by the machine's clock whatever clock the rest of the program has.
        now = datetime.fromtimestamp(SystemClock().now_us() / MICROSECONDS, UTC)
        for name, task in self._tasks.items():
            seconds = task.every_us / MICROSECONDS
            self._scheduler.add_job(
                self._run,
                IntervalTrigger(seconds=seconds, start_date=now, timezone=UTC),
                args=(task,),
                id=name,
                next_run_time=now,
                # A run that starts later than the next one is due has nothing to add to it.
                misfire_grace_time=max(1, math.ceil(seconds)),
                coalesce=True,
                max_instances=1,
            )
        self._scheduler.add_job(
            self._beat,
            IntervalTrigger(seconds=BEAT_SECONDS, start_date=now, timezone=UTC),
            id=_BEAT,
            executor=_BEAT,
            next_run_time=now,
            misfire_grace_time=None,  # a late beat is a beat
            coalesce=True,
            max_instances=1,
        )
        self.last_beat = time.monotonic()
        self._scheduler.start()
        self._metrics.scheduler_up.set(1)

    def alive(self) -> bool:
        """Say whether the scheduler's thread lives and beats; `running` of APScheduler says only that it was started.

        A living thread may sleep far too long: APScheduler goes by the wall clock, which can be set back.
        """
        thread: Thread | None = getattr(self._scheduler, "_thread", None)
        is_beating = time.monotonic() - self.last_beat < STALLED_SECONDS
        is_alive = thread is not None and thread.is_alive() and is_beating
        self._metrics.scheduler_up.set(is_alive)
        return is_alive

    def stop(self, seconds: float) -> bool:
        """Start no more jobs, wait at most that long for those that run, close the sources; True if all have ended."""
        self._stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._metrics.scheduler_up.set(0)
        with self._idle:
            ended = self._idle.wait_for(
                lambda: not any(task.running for task in self._tasks.values()), max(0.0, seconds)
            )
        for task in self._tasks.values():
            if not task.running:
                task.source.close()
        return ended

    def _announce(self, task: _Task) -> None:
        """Make the counters of a task visible before they first count."""
        name, seconds = task.source.name, task.every_us / MICROSECONDS
        self._metrics.task_expected_interval.set(seconds, task=name)
        self._metrics.source_expected_interval.set(seconds, source=name)
        self._metrics.task_runs.inc(0, task=name)
        self._metrics.task_failures.inc(0, task=name)
        self._metrics.source_fetches.inc(0, source=name)
        self._metrics.source_fetch_failures.inc(0, source=name)
        for reason in (*_MISSED.values(), _COALESCED):
            self._metrics.task_missed.inc(0, task=name, reason=reason)

    def _run(self, task: _Task) -> None:
        """Run one job: read a source until it has no more to tell."""
        name, began = task.source.name, time.monotonic()
        self._metrics.task_runs.inc(task=name)
        task.running = True
        try:
            self._fetch(task)
        except (SentinelError, OSError, pl.exceptions.PolarsError) as error:
            self._note_failure(task, str(error))
        finally:
            task.catching_up = False
            self._metrics.task_duration.observe(time.monotonic() - began, task=name)
            with self._idle:
                task.running = False
                self._idle.notify_all()

    def _fetch(self, task: _Task) -> None:
        name, more = task.source.name, True
        while more and not self._stopping.is_set():
            task.status.fetches += 1
            self._metrics.source_fetches.inc(source=name)
            frame = task.source.fetch(task.cursor)
            while not self._inbox.put(frame, PUT_SECONDS):
                if self._inbox.closed or self._stopping.is_set():
                    return
            task.cursor = frame.cursor
            task.catching_up = more = frame.more
            self._note_success(task)
            if frame.complaints and frame.complaints != task.complaints:
                for complaint in frame.complaints:
                    logger.warning("observations left out", extra={"source": name, "why": complaint})
            task.complaints = frame.complaints

    def _note_success(self, task: _Task) -> None:
        name, now_us = task.source.name, self._clock.now_us()
        task.status.up, task.status.last_success_us = True, now_us
        self._metrics.source_up.set(1, source=name)
        self._metrics.source_last_success.set(now_us / MICROSECONDS, source=name)
        self._metrics.task_last_success.set(now_us / MICROSECONDS, task=name)
        if task.failure:
            logger.info("source is back", extra={"source": name})
            task.failure = ""

    def _note_failure(self, task: _Task, why: str) -> None:
        name = task.source.name
        task.status.up, task.status.last_failure_us = False, self._clock.now_us()
        task.status.failed += 1
        self._metrics.task_failures.inc(task=name)
        self._metrics.source_fetch_failures.inc(source=name)
        self._metrics.source_up.set(0, source=name)
        if why != task.failure:
            logger.warning("source cannot be read", extra={"source": name, "why": why})
            task.failure = why

    def _beat(self) -> None:
        self.last_beat = time.monotonic()
        self._metrics.scheduler_heartbeat.set(self._clock.now_us() / MICROSECONDS)

    def _on_event(self, event: JobEvent) -> None:
        task = self._tasks.get(event.job_id)
        if task is None:
            return
        if event.code == EVENT_JOB_ERROR:
            # A fault of the program, not of the source: APScheduler has logged where it happened.
            self._note_failure(task, f"{type(event.exception).__name__}: {event.exception}")
        elif not (event.code == EVENT_JOB_MAX_INSTANCES and task.catching_up):
            self._metrics.task_missed.inc(task=task.source.name, reason=_MISSED[event.code])

    def _on_due(self, event: JobSubmissionEvent) -> None:
        """Count the runs that became due together with this one: APScheduler makes one, and tells of no other."""
        task = self._tasks.get(event.job_id)
        if task is None:
            return
        due: datetime = event.scheduled_run_times[-1]
        if task.due is not None and not task.catching_up:
            skipped = round((due - task.due).total_seconds() * MICROSECONDS / task.every_us) - 1
            self._metrics.task_missed.inc(max(0, skipped), task=task.source.name, reason=_COALESCED)
        task.due = due
