"""Provisional values that are approved later: each alarm is confirmed, withdrawn or newly raised by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sentinel.commands.main import entry_point
from sentinel.domain.events import WITHDRAWN
from sentinel.runtime.amender import Amender
from sentinel.runtime.amending import CONFIRMED, RAISED, amend, find_latest, with_corrections
from sentinel.views.web import alarms
from tests.pipeline.streams import ar1
from tests.runtime.rig import VALUES, Rig, frame

QUIET = ar1(8, -0.5, 400, 1)[:, 0]


def approved() -> np.ndarray:
    """The values of s0 were wrong where they were slow; those of s2 were wrong where they were quiet."""
    values = VALUES.copy()
    values[:, 0] = QUIET
    return values


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """An engine that saw provisional values of s0, s1 and a quiet s2, and then the approved ones, twice."""
    provisional = VALUES.copy()
    provisional[:, 2] = QUIET
    made = Rig(tmp_path)
    for first in range(0, 300, 50):
        made.feed(frame(first, first + 50, provisional))
    for _ in range(2):
        made.feed(frame(0, 300, approved()))
    return made


@pytest.mark.slow
def test_alarms_are_confirmed_withdrawn_and_newly_raised(rig: Rig, tmp_path: Path, capsys) -> None:
    found = amend(rig.journal)
    verdicts = {series: {one.verdict for one in found if one.body["series"] == series} for series in ("s0", "s1", "s2")}
    assert verdicts == {"s0": {WITHDRAWN}, "s1": {CONFIRMED}, "s2": {RAISED}}
    assert entry_point(["replay", "--corrected", "--state", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(found) + 1
    assert said[-1].startswith(f"{sum(one.verdict == CONFIRMED for one in found)} confirmed, ")


@pytest.mark.slow
def test_what_is_known_now_is_what_would_have_followed_from_the_approved_values_alone(rig: Rig, tmp_path: Path) -> None:
    other = Rig(tmp_path / "other")
    for first in range(0, 300, 50):
        other.feed(frame(first, first + 50, approved()))
    sent = {kept.body["id"] for kept in other.journal.events() if kept.body["what"] == "raised"}
    assert {f"{one.body['alarm_id']}/raised" for one in amend(rig.journal) if one.verdict != WITHDRAWN} == sent


def test_without_corrections_every_alarm_is_confirmed_and_nothing_is_read_otherwise(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    assert {one.verdict for one in amend(rig.journal)} == {CONFIRMED}
    plain = list(rig.journal.tail(0))
    for one, other in zip(with_corrections(rig.journal, find_latest(rig.journal.corrections())), plain, strict=True):
        assert np.array_equal(one.value, other.value)


@pytest.mark.slow
def test_what_was_sent_then_stays_and_is_replayed_as_it_was(rig: Rig, tmp_path: Path) -> None:
    before, record = rig.state, rig.record
    rig.journal.close()
    again = Rig(tmp_path)
    assert (again.state, again.record) == (before, record)


def judge(rig: Rig, folder: Path) -> list[str]:
    """Let corrections be judged beside the engine, and give the verdicts that are new."""
    before = len(rig.engine.events)
    amender = Amender(folder, rig.engine.note_amended)
    amender.look(rig.engine.corrected, rig.engine.amended, rig.engine.state)
    amender.wait(60.0)
    rig.engine.turn(0.0)
    return [str(event["verdict"]) for event in rig.engine.events[before:] if event["what"] == "amended"]


@pytest.mark.slow
def test_verdicts_are_published_once_journalled_and_shown(rig: Rig, tmp_path: Path, capsys) -> None:
    assert set(judge(rig, tmp_path)) == {WITHDRAWN, RAISED}, "what is confirmed is no news"
    state = rig.state
    assert judge(rig, tmp_path) == []
    withdrawn = next(e for e in rig.engine.events if e.get("verdict") == WITHDRAWN)
    assert entry_point(["explain", str(withdrawn["alarm_id"]), "--state", str(tmp_path)]) == 0
    assert "withdrawn" in capsys.readouterr().out.splitlines()[0]
    shown = {str(one.raised["series"]): one.standing for one in alarms.list_shown(rig.engine.events)}
    assert "withdrawn" in shown["s0"]
    assert "withdrawn" not in shown["s1"]
    record, events = rig.record, rig.engine.events
    rig.journal.close()
    again = Rig(tmp_path)
    assert (again.record, again.state) == (record, state)
    assert (again.engine.corrected, again.engine.amended) == (rig.engine.corrected, rig.engine.amended)
    assert len(again.engine.events) == len(events)
    assert judge(again, tmp_path) == [], "a restart computes nothing again"


@pytest.mark.slow
def test_values_that_are_corrected_back_confirm_the_alarm_that_was_withdrawn(rig: Rig, tmp_path: Path) -> None:
    judge(rig, tmp_path)
    back = approved()
    back[:, 0] = VALUES[:, 0]
    rig.feed(frame(0, 300, back))
    assert set(judge(rig, tmp_path)) == {CONFIRMED}
