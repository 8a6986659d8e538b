"""What must not be taken for quiet: a source that is silent, gone, wrong about the time, or not its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sentinel.config import Settings
from sentinel.domain.states import Reason, State
from sentinel.pipeline.plan import LONGEST_GAP
from sentinel.runtime.engine import Engine
from tests.pipeline.streams import HOUR_US
from tests.runtime.rig import CHOSEN, SOURCE, Rig, frame

POLLED = CHOSEN | {"sources": [{"kind": "csv", "name": "buoys", "path": "buoys.csv", "every": "1h"}]}


def state_of(rig: Rig, name: str = "s0") -> tuple[State, Reason]:
    rig.engine.turn(0.0)
    view = rig.engine.snapshot.view(name)
    return view.state, view.reason


def test_a_source_that_no_longer_answers_makes_its_series_stale(tmp_path: Path) -> None:
    rig = Rig(tmp_path, POLLED)
    rig.feed(frame(0, 100, watermark_us=100 * HOUR_US))
    assert state_of(rig)[0] is not State.BLIND
    rig.clock.set(rig.clock.now_us() + 3 * HOUR_US)
    assert state_of(rig)[0] is not State.BLIND, "a poll or two that failed"
    rig.clock.set(rig.clock.now_us() + 24 * HOUR_US)
    assert state_of(rig) == (State.BLIND, Reason.STALE)
    rig.feed(frame(100, 126, watermark_us=126 * HOUR_US))
    assert state_of(rig)[0] is not State.BLIND


def test_series_of_a_source_that_is_no_longer_configured_are_stale_after_a_while(tmp_path: Path) -> None:
    rig = Rig(tmp_path, POLLED)
    rig.feed(frame(0, 100, watermark_us=100 * HOUR_US))
    rig.engine.checkpoint()
    rig.journal.close()
    again = Rig(tmp_path, CHOSEN)
    again.clock.set(again.clock.now_us() + 24 * HOUR_US)
    assert state_of(again) == (State.BLIND, Reason.STALE)


def test_a_source_whose_clock_was_wrong_once_is_believed_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, POLLED)
    rig.feed(frame(0, 100, watermark_us=90_000 * HOUR_US))
    assert state_of(rig) == (State.BLIND, Reason.STALE)
    rig.feed(frame(100, 120, watermark_us=120 * HOUR_US))
    assert state_of(rig)[0] is not State.BLIND


def test_a_series_of_another_source_is_refused_and_counted(tmp_path: Path) -> None:
    other = {"kind": "csv", "name": "other", "path": "other.csv"}
    rig = Rig(tmp_path, POLLED | {"sources": [*POLLED["sources"], other]})
    rig.feed(frame(0, 50))
    rig.feed(replace(frame(50, 80), source="other"))
    assert rig.count("observations_rejected_total", source="other", reason="foreign_series") == 90
    assert rig.count("observations_accepted_total", source="other") == 0
    assert rig.count("observations_accepted_total", **SOURCE) == 150
    assert rig.journal.cursors()["other"] == {"at": 80}


@pytest.mark.slow
def test_a_restore_is_left_when_it_is_told_to_stop_and_the_next_one_is_whole(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for first in range(0, 400, 20):
        rig.feed(frame(first, first + 20))
    whole = rig.state
    settings = Settings.model_validate(CHOSEN)
    left = Engine(settings, rig.journal, rig.inbox, rig.metrics, rig.clock, {})
    turns = iter(range(100))
    left.restore(lambda: next(turns) >= 5)
    assert not left.restored
    rig.journal.close()
    assert Rig(tmp_path).state == whole


def test_a_gap_of_any_length_takes_bounded_memory() -> None:
    from sentinel.domain.spans import Cadence
    from sentinel.pipeline.plan import plan_for

    settings = Settings.model_validate({"series": [{"cadence": "1s", "max_gap": "60d"}]})
    assert plan_for(settings, "x", Cadence.parse("1s")).max_gap == LONGEST_GAP
