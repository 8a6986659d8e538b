from __future__ import annotations

import logging
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

import apscheduler.executors.base
import apscheduler.schedulers.base
import polars as pl
import pytest
from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame
from sentinel.domain.spans import NEVER_US
from sentinel.domain.states import SourceStatus
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.scheduler import Schedule, _Every
from sentinel.sources import SourceError
from tests.fixtures import value

EVERY_US = 50_000


class Counting:
    """A source that counts its fetches in the cursor, and does what it is told in each."""

    def __init__(self, name: str = "lake", act: Callable[[int], object] = lambda _: None, more_until: int = 0) -> None:
        self.id, self.name, self.every_us = name, name, EVERY_US
        self._act = act
        self._more_until = more_until

    def close(self) -> None:
        self.closed = True

    def fetch(self, cursor: Cursor | None) -> Frame:
        at = 0 if cursor is None else cursor["at"]
        complaint = self._act(at)
        table = pl.concat(
            [pl.DataFrame(schema=OBSERVATIONS), pl.DataFrame({"series": ["s"], "time": [at], "value": [float(at)]})],
            how="vertical_relaxed",
        )
        return Frame(
            self.name,
            table.cast(OBSERVATIONS),
            {"at": at + 1},
            more=at + 1 < self._more_until,
            complaints=(complaint,) if isinstance(complaint, str) else (),
        )


@pytest.fixture
def scheduled():
    """Start a schedule over sources; all are stopped afterwards."""
    made: list[tuple[Schedule, Inbox]] = []
    statuses: dict[str, SourceStatus] = {}

    def make(*sources, every_us=EVERY_US, cursors=None, capacity=10_000):
        inbox = Inbox(capacity)
        metrics = Metrics()
        for source in sources:
            source.every_us = every_us
        schedule = Schedule(sources, inbox, cursors or {}, statuses, metrics, Clock())
        made.append((schedule, inbox))
        schedule.start()
        return schedule, inbox, metrics

    make.statuses = statuses
    yield make
    for schedule, inbox in made:
        inbox.close()
        schedule.stop(60)


def until(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait until something is true; whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_a_source_is_read_at_once_and_then_at_its_interval_each_time_from_where_it_was(scheduled):
    began = time.monotonic()
    _, inbox, metrics = scheduled(Counting())
    frames: list[Frame] = []
    assert until(lambda: frames.extend(inbox.take_all(0)) or len(frames) >= 4)
    assert time.monotonic() - began > 3 * EVERY_US / 1e6 * 0.8
    assert [frame.cursor["at"] for frame in frames] == list(range(1, len(frames) + 1))
    assert value(metrics, "sentinel_source_up", source="lake") == 1
    assert value(metrics, "sentinel_source_fetches_total", source="lake") >= 4
    assert value(metrics, "sentinel_task_expected_interval_seconds", task="lake") == 0.05
    assert value(metrics, "sentinel_task_last_success_timestamp_seconds", task="lake") == pytest.approx(
        Clock().now_us() / 1e6, abs=60
    )


def test_reading_goes_on_from_the_journals_cursors(scheduled):
    _, inbox, _ = scheduled(Counting("a"), Counting("b"), cursors={"b": {"at": 41}}, every_us=60_000_000)
    frames: list[Frame] = []
    assert until(lambda: frames.extend(inbox.take_all(0)) or len(frames) == 2)
    assert {frame.source: frame.cursor["at"] for frame in frames} == {"a": 1, "b": 42}


def test_a_source_with_more_to_tell_is_asked_again_at_once(scheduled):
    _, inbox, metrics = scheduled(Counting(more_until=30), every_us=60_000_000)
    assert until(lambda: len(inbox) == 30)
    assert value(metrics, "sentinel_task_runs_total", task="lake") == 1


def test_while_a_source_has_more_to_tell_it_is_said_to_be_catching_up(scheduled):
    held, second = threading.Event(), threading.Event()

    def act(at: int) -> None:
        if at == 1:
            second.set()
            held.wait(5.0)

    _, _, metrics = scheduled(Counting(act=act, more_until=5), every_us=60_000_000)
    assert second.wait(5.0)
    assert value(metrics, "sentinel_source_catching_up", source="lake") == 1
    held.set()
    assert until(lambda: value(metrics, "sentinel_source_catching_up", source="lake") == 0)


@pytest.mark.parametrize(
    "error", [SourceError("gone"), DataError("no table"), OSError("disk"), pl.exceptions.ComputeError("x")]
)
def test_a_source_that_fails_is_counted_said_once_and_read_again_from_the_same_cursor(scheduled, caplog, error):
    def act(at: int) -> None:
        calls.append(at)
        if len(calls) in (2, 3, 4):
            raise error

    calls: list[int] = []
    caplog.set_level(logging.INFO)
    _, _, metrics = scheduled(Counting(act=act), Counting("other"), every_us=20_000)
    assert until(lambda: len(calls) >= 6)
    assert calls[:6] == [0, 1, 1, 1, 1, 2]
    assert value(metrics, "sentinel_source_fetch_failures_total", source="lake") == 3
    assert value(metrics, "sentinel_task_failures_total", task="lake") == 3
    assert value(metrics, "sentinel_source_fetch_failures_total", source="other") == 0
    assert value(metrics, "sentinel_source_up", source="lake") == 1
    lake, other = scheduled.statuses["lake"], scheduled.statuses["other"]
    assert (lake.up, lake.failed, other.failed) == (True, 3, 0)
    assert lake.fetches >= 6
    assert 0 < lake.last_failure_us <= lake.last_success_us
    assert other.last_failure_us == NEVER_US
    said = [(record.message, record.source) for record in caplog.records if record.name == "sentinel.runtime.contact"]
    assert said == [("source cannot be read", "lake"), ("source is back", "lake")]


def test_a_fault_of_the_program_is_counted_and_logged_with_its_place(scheduled, caplog):
    def act(at: int) -> None:
        raise ZeroDivisionError("oh")

    _, _, metrics = scheduled(Counting(act=act))
    assert until(lambda: value(metrics, "sentinel_task_failures_total", task="lake") >= 2)
    assert value(metrics, "sentinel_source_up", source="lake") == 0
    assert any("ZeroDivisionError" in (record.exc_text or "") for record in caplog.records)


def test_complaints_are_logged_when_they_change(scheduled, caplog):
    _, inbox, _ = scheduled(Counting(act=lambda at: "row 1" if at < 3 else "row 2"), every_us=20_000)
    assert until(lambda: len(inbox) >= 6)
    assert [record.why for record in caplog.records if record.name == "sentinel.runtime.contact"] == [
        "row 1",
        "row 2",
    ]


def test_a_run_that_finds_the_one_before_it_busy_is_counted(scheduled):
    release = threading.Event()
    _, _, metrics = scheduled(Counting(act=lambda _: release.wait(60)), every_us=20_000)
    try:
        assert until(lambda: value(metrics, "sentinel_task_missed_total", task="lake", reason="max_instances") >= 2)
    finally:
        release.set()


@pytest.mark.slow
def test_runs_skipped_while_a_backlog_is_read_miss_nothing(scheduled):
    _, inbox, metrics = scheduled(Counting(act=lambda _: time.sleep(0.05), more_until=20), every_us=200_000)
    assert until(lambda: len(inbox) >= 20)
    assert value(metrics, "sentinel_task_missed_total", task="lake", reason="max_instances") <= 1


@pytest.mark.slow
def test_a_run_that_starts_too_late_is_counted(scheduled, monkeypatch):
    # One thread for two sources, and the first holds it for longer than the grace of the second (1 s).
    monkeypatch.setattr("sentinel.runtime.scheduler.MOST_THREADS", 1)
    _, _, metrics = scheduled(Counting("slow", act=lambda _: time.sleep(2.2)), Counting("late"), every_us=500_000)
    assert until(lambda: value(metrics, "sentinel_task_missed_total", task="late", reason="misfire") >= 1)


def test_runs_that_become_due_together_are_counted_but_for_the_one_that_is_made(scheduled):
    # A machine that had slept for 70 s counted no miss: of all runs that are due APScheduler tells only of the last.
    slept = threading.Event()

    def sleep_once(_: JobSubmissionEvent) -> None:
        if not slept.is_set():
            time.sleep(0.5)
            slept.set()

    schedule, _, metrics = scheduled(Counting(), every_us=50_000)
    schedule._scheduler.add_listener(sleep_once, EVENT_JOB_SUBMITTED)
    assert until(slept.is_set)
    assert until(lambda: value(metrics, "sentinel_task_missed_total", task="lake", reason="coalesced") >= 8)


def test_a_full_inbox_holds_the_source_and_stopping_frees_it(scheduled):
    schedule, inbox, _ = scheduled(Counting(), capacity=2, every_us=20_000)
    assert until(lambda: len(inbox) == 2)
    time.sleep(0.1)
    assert len(inbox) == 2
    assert schedule.stop(5)
    assert [frame.cursor["at"] for frame in inbox.take_all(0)] == [1, 2]


def test_stopping_waits_for_running_jobs_but_not_for_ever(scheduled):
    release = threading.Event()
    schedule, _, _ = scheduled(Counting(act=lambda _: release.wait(60)))
    assert until(lambda: schedule._tasks["lake"].running)
    began = time.monotonic()
    assert not schedule.stop(0.1)
    assert time.monotonic() - began < 1
    release.set()
    assert schedule.stop(60)
    assert not schedule.alive()


def test_a_source_that_hangs_at_the_start_is_down_in_flight_and_logged_once(scheduled, caplog, monkeypatch):
    monkeypatch.setattr("sentinel.runtime.contact.HANGS_SECONDS", 0.1)
    release = threading.Event()
    began = Clock().now_us() / 1e6
    schedule, inbox, metrics = scheduled(Counting(act=lambda _: release.wait(60)))
    assert until(
        lambda: value(metrics, "sentinel_source_in_flight_since_timestamp_seconds", source="lake") >= began - 1
    )
    assert scheduled.statuses["lake"].in_flight_us >= (began - 1) * 1e6
    said = lambda: [one.message for one in caplog.records].count("source has not answered yet")  # noqa: E731
    assert until(lambda: said() == 1)
    assert until(lambda: value(metrics, "sentinel_task_missed_total", task="lake", reason="max_instances") > 5)
    assert said() == 1
    release.set()
    assert until(lambda: len(inbox) > 0)
    schedule.stop(60)
    assert value(metrics, "sentinel_source_in_flight_since_timestamp_seconds", source="lake") == 0


@pytest.mark.slow
def test_a_source_that_hangs_later_is_down_before_its_next_run_is_due_until_it_answers(scheduled, caplog, monkeypatch):
    # It stayed up: only the age of the last success told.
    monkeypatch.setattr("sentinel.runtime.contact.HANGS_SECONDS", 0.2)
    answered = threading.Event()
    metrics = scheduled(Counting(act=lambda at: at == 1 and answered.wait(20) and None), every_us=5_000_000)[2]
    status = scheduled.statuses["lake"]
    try:
        assert until(lambda: value(metrics, "sentinel_source_up", source="lake") == 1)
        assert until(lambda: status.failure == "it has not answered yet")
        assert value(metrics, "sentinel_task_missed_total", task="lake", reason="max_instances") == 0
        assert until(lambda: caplog.messages)
        assert (status.up, status.failed) == (False, 0)
        assert value(metrics, "sentinel_source_up", source="lake") == 0
        assert value(metrics, "sentinel_source_in_flight_since_timestamp_seconds", source="lake") > 0
        assert caplog.messages.count("source has not answered yet") == 1
    finally:
        answered.set()
    assert until(lambda: value(metrics, "sentinel_source_up", source="lake") == 1)
    assert until(lambda: status.up and not status.failure)


@pytest.mark.slow
def test_the_heartbeat_beats_and_a_dead_thread_is_noticed(scheduled, monkeypatch):
    schedule, _, metrics = scheduled(Counting())
    first = schedule.last_beat
    assert until(lambda: schedule.last_beat > first + 0.5)
    assert schedule.alive()
    assert value(metrics, "sentinel_scheduler_heartbeat_timestamp_seconds") == pytest.approx(
        Clock().now_us() / 1e6, abs=60
    )

    schedule.last_beat -= (
        60  # as if the machine's clock had been set back, and the thread slept until it is there again
    )
    assert not schedule.alive()
    assert until(schedule.alive)

    # What a job store that raises does to it (seen with 3.11.3): the loop ends, `running` stays true.
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(schedule._scheduler, "_process_jobs", lambda: 1 / 0)
    schedule._scheduler.wakeup()
    assert until(lambda: not schedule.alive())
    assert schedule._scheduler.running
    assert value(metrics, "sentinel_scheduler_up") == 0


HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock on the wall, as APScheduler and the schedule see it: that of the machine and so many seconds."""
    ahead = [0.0]

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.fromtimestamp(Clock().now_us() / 1e6 + ahead[0], tz)

    class MovedClock(Clock):
        def now_us(self) -> int:
            return super().now_us() + round(ahead[0] * 1e6)

    for module in (apscheduler.schedulers.base, apscheduler.executors.base):
        monkeypatch.setattr(module, "datetime", Moved)
    monkeypatch.setattr("sentinel.runtime.scheduler.Clock", MovedClock)
    return ahead


@pytest.mark.parametrize("jump", [HOUR, 30 * DAY, 365 * DAY, 56 * 365 * DAY, -HOUR, -365 * DAY, -50 * 365 * DAY])
def test_a_clock_that_jumps_stalls_nothing_and_nothing_grows(scheduled, wall: list[float], jump: float):
    # 365 days ahead hung the daemon: APScheduler listed every missed run, with its lock held, until memory was out.
    schedule, inbox, metrics = scheduled(Counting())
    assert until(lambda: len(inbox) >= 3)
    tracemalloc.start()
    try:
        wall[0] = jump
        before, beat = len(inbox), schedule.last_beat
        assert until(lambda: schedule.follow_clock() or len(inbox) >= before + 5)
        assert until(lambda: schedule.follow_clock() or schedule.last_beat > beat)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert schedule.alive()
    assert value(metrics, "sentinel_task_missed_total", task="lake", reason="coalesced") < 10_000, (
        "no such time has passed"
    )
    wall[0] = 0.0  # it is put right
    before = len(inbox)
    assert until(lambda: schedule.follow_clock() or len(inbox) >= before + 5)


@given(st.floats(0.01, 1e5), st.floats(0.0, 1e9))
def test_however_far_behind_a_job_is_at_most_two_of_its_times_are_named_the_last_one_right(every: float, behind: float):
    start = datetime(1970, 1, 2, tzinfo=UTC)
    trigger = _Every(seconds=every, start_date=start, timezone=UTC)
    now, named = start + timedelta(seconds=behind), [start]
    while (due := trigger.get_next_fire_time(named[-1], now)) <= now:
        named.append(due)
        assert len(named) <= 3
    assert timedelta(0) <= now - named[-1] <= trigger.interval + timedelta(microseconds=2)
    assert abs((named[-1] - start) / trigger.interval - round((named[-1] - start) / trigger.interval)) < 1e-3
