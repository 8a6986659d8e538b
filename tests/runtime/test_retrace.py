"""An alarm computed anew from the journal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sentinel.journal import Journal, KeptEvent
from sentinel.pipeline.codec import digest
from sentinel.runtime.retrace import JournalTooShort, retrace
from tests.runtime.rig import CHOSEN, Rig, frame

TWO = CHOSEN | {
    "series": [{"match": "s0", "cadence": "1h"}, {"match": "s1", "counterpart": "s2"}, {"match": "*"}],
    "sites": [{"name": "lake", "match": "s*", "k": 2}],
}


def raised(journal: Journal) -> list[KeptEvent]:
    return [kept for kept in journal.events() if kept.body["what"] == "raised"]


@pytest.mark.parametrize("chosen", [CHOSEN, pytest.param(TWO, marks=pytest.mark.slow)], ids=["alone", "compared"])
def test_every_alarm_of_series_comparisons_and_sites_is_reproduced_bit_for_bit(chosen, tmp_path: Path) -> None:
    rig = Rig(tmp_path, chosen)
    rig.feed(*(frame(at, at + 16) for at in range(0, 400, 16)))
    found = raised(rig.journal)
    assert {kept.body["series"] for kept in found} >= {"s0", "s1", "s2"}
    if chosen is TWO:
        assert "lake" in {kept.body["series"] for kept in found}
    for kept in found:
        assert retrace(rig.journal, kept).differences(kept.body) == []


@pytest.mark.slow
def test_the_digest_is_that_of_the_state_after_the_tick_of_the_alarm(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    states: dict[tuple[str, int], str] = {}
    for at in range(200):  # one tick at a time: the state after each can be looked at
        rig.feed(frame(at, at + 1))
        state = rig.engine._replica.state
        for members in state.cohorts:
            for row, number in enumerate(members.series.tolist()):
                states[state.names[number], int(members.last.tick[row])] = digest(members, row)
    kept = raised(rig.journal)[0]
    assert retrace(rig.journal, kept).digest == states[kept.body["series"], kept.body["tick"]]


def test_a_number_that_was_changed_is_named(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 400))
    kept = raised(rig.journal)[0]
    other = float(np.nextafter(kept.body["evidence"], 9.0))
    (line,) = retrace(rig.journal, kept).differences(kept.body | {"evidence": other})
    assert line.startswith("evidence: ")
    assert repr(other) in line


@pytest.mark.slow
def test_the_ticks_are_those_up_to_the_alarm_with_its_evidence_last(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200), frame(200, 400))
    for kept in raised(rig.journal)[:4]:
        ticks = retrace(rig.journal, kept).ticks
        assert ticks is not None
        assert int(ticks.end_us[-1]) == kept.body["time_us"]
        assert float(ticks.evidence[-1]) == kept.body["evidence"]
        assert ticks.estimates.lag1[-1] == kept.body["lag1"]
        assert ticks.end_us.size == kept.body["tick"] + 1


@pytest.mark.slow
def test_where_the_beginning_is_forgotten_a_checkpoint_before_the_alarm_serves_or_what_is_missing_is_said(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    frames = [frame(at, at + 10) for at in range(0, 400, 10)]
    rig.feed(*frames[:12])
    early = raised(rig.journal)
    rig.engine.checkpoint()
    rig.feed(*frames[12:])
    late = [kept for kept in raised(rig.journal) if kept not in early]
    assert early
    assert late
    while rig.journal.retention.step(10**18, 10**12):
        pass
    trace = retrace(rig.journal, late[0])
    assert trace.from_batch > 0
    assert trace.differences(late[0].body) == []
    with pytest.raises(JournalTooShort, match=r"no checkpoint from before it is kept.*retention"):
        retrace(rig.journal, early[0])
