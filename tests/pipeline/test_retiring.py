"""A retired series is gone, its alarms have ended, nobody else notices; taken back it starts afresh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel.domain.states import State
from sentinel.journal import JournalForgotten
from sentinel.pipeline.codec import digest
from sentinel.runtime.acting import find_fact
from tests.runtime.rig import CHOSEN, Rig, frame
from tests.runtime.test_retrace import TWO


def act(rig: Rig, action: str, series: str) -> None:
    """Ask the engine, and let it turn."""
    answer = rig.engine.ask({"action": action, "series": series})
    rig.engine.turn(0.0)
    answer.result(0.0)


def digests(rig: Rig) -> dict[str, str]:
    state = rig.engine._replica.state
    return {
        state.names[number]: digest(members, row)
        for members in state.cohorts
        for row, number in enumerate(members.series.tolist())
    }


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [CHOSEN, TWO], ids=["alone", "compared"])
@pytest.mark.parametrize("at", [20, 90, 190])
def test_a_retired_series_is_gone_its_alarms_have_ended_and_no_other_series_notices(
    chosen: dict[str, Any], at: int, tmp_path: Path
) -> None:
    """Also while its cadence is being learnt, and with a comparison of its own."""
    rigs = [Rig(tmp_path / name, chosen) for name in ("with", "without")]
    for rig in rigs:
        rig.feed(frame(0, at))
    act(rigs[0], "retired", "s1")
    for rig in rigs:
        rig.feed(frame(at, 300))
    names = set(rigs[0].engine.snapshot.names())
    gone = {name for name in rigs[1].engine.snapshot.names() if name.startswith("s1")}
    assert len(gone) == (2 if chosen is TWO else 1)
    assert names == set(rigs[1].engine.snapshot.names()) - gone
    others = digests(rigs[1])
    assert digests(rigs[0]) == {name: others[name] for name in names}
    assert {view.name for view in rigs[0].engine.snapshot.views()} == names
    whats: dict[str, str] = {}
    for event in rigs[0].engine.events:
        if event["series"] in gone:
            assert event["time_us"] <= at * 3_600_000_000
            whats[str(event["alarm_id"])] = str(event["what"])
    assert set(whats.values()) <= {"cleared"}
    assert at < 190 or whats


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [CHOSEN, TWO], ids=["alone", "compared"])
def test_restarts_with_and_without_a_checkpoint_give_the_same_state_bitwise(
    chosen: dict[str, Any], tmp_path: Path
) -> None:
    rig = Rig(tmp_path, chosen)
    rig.feed(frame(0, 120))
    act(rig, "retired", "s1")
    rig.feed(frame(120, 150))
    for checkpoint in (False, True, False):
        if checkpoint:
            rig.engine.checkpoint()
        before, record = rig.state, rig.record
        rig.journal.close()
        rig = Rig(tmp_path, chosen)
        assert rig.state == before
        assert rig.record == record
        rig.feed(frame(150 if not checkpoint else 200, 200 if not checkpoint else 230))
    act(rig, "taken_back", "s1")
    rig.feed(frame(230, 300))
    before = rig.state
    rig.journal.close()
    assert Rig(tmp_path, chosen).state == before


def test_taken_back_it_starts_afresh_as_a_new_series_does(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO)
    rig.feed(frame(0, 120))
    act(rig, "retired", "s1")
    rig.feed(frame(120, 150))
    act(rig, "taken_back", "s1")
    rig.feed(frame(150, 160))
    assert rig.engine.snapshot.view("s1").state is State.LEARNING
    rig.feed(frame(160, 350))
    view = rig.engine.snapshot.view("s1")
    assert view.state is not State.LEARNING
    assert view.ticks < 200
    assert sum(name.startswith("s1") for name in rig.engine.snapshot.names()) == 2
    assert rig.engine._replica.state.ids.size == 3
    assert rig.engine._replica.state.retired == ()


@pytest.mark.slow
def test_settings_may_change_while_a_series_is_retired(tmp_path: Path) -> None:
    rig = Rig(tmp_path, TWO)
    rig.feed(frame(0, 120))
    act(rig, "retired", "s2")  # the counterpart of s1
    rig.journal.close()
    rig = Rig(tmp_path, CHOSEN | {"alarms": [{"threshold": 0.5, "alpha": 0.01}]})
    rig.feed(frame(120, 160))
    rig.journal.close()
    rig = Rig(tmp_path, TWO)
    rig.feed(frame(160, 200))
    names = rig.engine.snapshot.names()
    assert "s2" not in names
    assert {"s0", "s1"} < set(names)


def test_an_alarm_from_before_is_replayed_though_its_series_was_retired(tmp_path: Path) -> None:
    from sentinel.runtime.retrace import retrace

    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    act(rig, "retired", "s0")
    kept = next(each for each in rig.journal.events() if each.body["series"] == "s0")
    try:
        assert retrace(rig.journal, kept).differences(kept.body) == []
    except JournalForgotten:  # pragma: no cover
        pytest.fail("the journal is whole")


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    from sentinel.domain.errors import UsageError

    rig = Rig(tmp_path)
    rig.feed(frame(0, 3))
    act(rig, "retired", "s1")
    for action, series, said in (
        ("retired", "nobody", "not known"), ("taken_back", "s0", "not retired"), ("retired", "s1", "retired already"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            find_fact({"action": action, "series": series}, rig.journal, rig.engine._replica.state, 0)
