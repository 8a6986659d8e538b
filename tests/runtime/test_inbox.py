from __future__ import annotations

import threading
import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.clock import Clock
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.runtime.inbox import Accounts, Inbox


def frame(size: int, source: str = "a", at: int = 0) -> Frame:
    table = pl.DataFrame(
        {"series": ["s"] * size, "time": [0] * size, "value": [1.0] * size}, schema_overrides=OBSERVATIONS
    )
    return Frame(source, table, {"at": at})


def started(work, *arguments) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(60)
    return not thread.is_alive()


@given(st.lists(st.integers(0, 5), max_size=20))
def test_frames_are_taken_in_the_order_they_were_put(sizes):
    inbox = Inbox(1_000)
    for at, size in enumerate(sizes):
        assert inbox.put(frame(size, at=at))
    assert len(inbox) == sum(sizes)
    assert [taken.cursor["at"] for taken in inbox.take_all(0)] == list(range(len(sizes)))
    assert len(inbox) == 0
    assert inbox.take_all(0) == []


def test_a_full_inbox_makes_the_producer_wait_until_it_is_emptied():
    inbox = Inbox(10)
    assert inbox.put(frame(8))
    assert not inbox.put(frame(3), timeout=0.01)
    producer = started(inbox.put, frame(3, "b"))
    time.sleep(0.02)
    assert producer.is_alive()
    assert [taken.source for taken in inbox.take_all()] == ["a"]
    assert ended(producer)
    assert [taken.source for taken in inbox.take_all()] == ["b"]


def test_a_frame_larger_than_the_inbox_is_let_in_alone():
    inbox = Inbox(10)
    assert inbox.put(frame(25), timeout=1)
    assert not inbox.put(frame(1), timeout=0.01)
    assert inbox.put(frame(0), timeout=1)
    assert [taken.observations.height for taken in inbox.take_all()] == [25, 0]


def test_frames_without_observations_do_not_pile_up_for_ever(monkeypatch):
    monkeypatch.setattr("sentinel.runtime.inbox.MOST_FRAMES", 3)
    inbox = Inbox(10)
    assert all(inbox.put(frame(0), timeout=1) for _ in range(3))
    assert not inbox.put(frame(0), timeout=0.01)
    inbox.take_all()
    assert inbox.put(frame(0), timeout=1)


def test_taking_waits_for_the_first_frame():
    inbox = Inbox(10)
    taken = []
    consumer = started(lambda: taken.extend(inbox.take_all(5)))
    inbox.put(frame(1))
    assert ended(consumer)
    assert len(taken) == 1


def test_closing_wakes_everybody_and_keeps_what_waits():
    inbox = Inbox(1)
    inbox.put(frame(1))
    answers = []
    producers = [started(lambda: answers.append(inbox.put(frame(1)))) for _ in range(3)]
    time.sleep(0.02)
    inbox.close()
    assert all(ended(producer) for producer in producers)
    assert answers == [False] * 3
    assert inbox.closed
    assert len(inbox.take_all()) == 1
    assert inbox.take_all() == []
    assert not inbox.put(frame(0))


def test_many_producers_lose_nothing_and_never_fill_it_beyond_its_capacity():
    inbox = Inbox(50)
    producers = [
        started(lambda name=str(n): [inbox.put(frame(1 + at % 7, name, at)) for at in range(100)]) for n in range(4)
    ]
    seen: dict[str, list[int]] = {str(n): [] for n in range(4)}
    while any(producer.is_alive() for producer in producers) or len(inbox):
        frames = inbox.take_all(0.01)
        assert sum(taken.observations.height for taken in frames) <= 50
        for taken in frames:
            seen[taken.source].append(taken.cursor["at"])
    assert all(cursors == list(range(100)) for cursors in seen.values())


def test_a_capacity_below_one_is_refused():
    with pytest.raises(ValueError, match="capacity 0; at least 1 observation is needed"):
        Inbox(0)


def test_a_source_that_has_not_answered_yet_is_down_in_the_first_scrape():
    settings = Settings.model_validate({"sources": [{"kind": "push", "name": "sent"}]})
    metrics = Metrics()
    Accounts(settings, metrics, Clock())
    assert metrics.source_up.values() == {("sent",): 0.0}
