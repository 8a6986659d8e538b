"""Laws of series that are computed anew: they are as if the corrected values had come first, and no other one moves."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel.commands.main import entry_point
from sentinel.domain.errors import UsageError
from sentinel.domain.events import CORRECTED, WITHDRAWN
from sentinel.journal import JournalUnwritable
from sentinel.notify import idempotence_key
from sentinel.pipeline import codec
from sentinel.runtime import recomputing
from sentinel.runtime.acting import _acknowledge, choose_shown
from sentinel.runtime.amender import Amender
from sentinel.runtime.recomputing import begin
from sentinel.runtime.retrace import retrace
from tests.pipeline.streams import ar1
from tests.runtime.rig import CHOSEN, SOURCE, VALUES, Rig, Sink, frame

TICKS = 300
COMPARED: dict[str, Any] = {
    **CHOSEN,
    "series": [{"match": "s0", "cadence": "1h", "counterpart": "s1"}, {"match": "*"}],
}
QUIET = ar1(8, -0.5, 400, 1)[:, 0]


def amend(rig: Rig, folder: Path, *, whole: bool = True) -> None:
    """Let what was corrected be computed anew beside the engine, and taken over, or the first part of it."""
    amender = Amender(folder, rig.engine.note_amended)
    amender.look(rig.engine.corrected, rig.engine.amended, rig.engine.state)
    amender.wait(60.0)
    rig.feed()
    while whole and rig.engine._recomputed:
        rig.feed()


def state_of(rig: Rig) -> dict[str, NDArray[Any]]:
    """Everything that a series has learnt; of alarms that are open only that they are."""
    arrays = {name: np.frombuffer(data, np.uint8) for name, data in rig.state[0].items()}
    for name in arrays:
        if name.endswith("alarm/raised"):
            arrays[name] = np.frombuffer(rig.state[0][name], np.int64) >= 0
    return arrays


def assert_same(one: Rig, other: Rig) -> None:
    found, wanted = state_of(one), state_of(other)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not np.array_equal(found[name], wanted[name])] == []


corrections = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, TICKS - 1), st.integers(1, 120), st.sampled_from([0.0, 0.5, 5.0]),
        st.integers(1, 6),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@pytest.mark.slow
@given(
    cuts=st.lists(st.integers(1, TICKS - 1), min_size=1, max_size=5, unique=True), corrected=corrections,
    then=st.lists(st.sampled_from(["amend", "half", "checkpoint", "restart", "nothing"]), min_size=6, max_size=6),
    at_once=st.sampled_from([1, 2, 500]),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_it_is_as_if_the_corrected_values_had_come_first(
    cuts: list[int], corrected: list[tuple[int, int, int, float, int]], then: list[str], at_once: int
) -> None:
    """However frames are cut, whenever corrections come, in how many parts they take effect, with restarts between."""
    with TemporaryDirectory() as text, pytest.MonkeyPatch.context() as patched:
        patched.setattr(recomputing, "AT_ONCE", at_once)
        folder = Path(text)
        rig, known = Rig(folder / "one", COMPARED), VALUES[:TICKS].copy()
        for at, (first, last) in enumerate(zip([0, *sorted(cuts)], [*sorted(cuts), TICKS], strict=True)):
            rig.feed(frame(first, last, known))
            for series, begin_at, length, offset, when in corrected:
                if when == at and begin_at < last:
                    known[begin_at : begin_at + length, series] = (
                        QUIET[begin_at : begin_at + length][: TICKS - begin_at] + offset
                    )
                    rig.feed(frame(begin_at, min(last, begin_at + length), known))
            if then[at] in ("amend", "half"):
                amend(rig, folder / "one", whole=then[at] == "amend")
            elif then[at] == "checkpoint":
                rig.engine.checkpoint()
            if then[at] in ("half", "restart"):
                before = rig.state
                rig.journal.close()
                rig = Rig(folder / "one", COMPARED)
                assert rig.state == before
        amend(rig, folder / "one")
        plain = Rig(folder / "other", COMPARED)
        for first in range(0, TICKS, 50):
            plain.feed(frame(first, first + 50, known))
        too_old = rig.count("observations_rejected_total", reason="too_old", **SOURCE)
        assert too_old == 0.0
        assert_same(rig, plain)
        rig.journal.close()
        again = Rig(folder / "one", COMPARED)
        assert again.state == rig.state
        again.journal.close()
        plain.journal.close()


@pytest.mark.slow
def test_ticks_that_wait_for_their_counterpart_are_corrected_too(tmp_path: Path) -> None:
    known = VALUES[:TICKS].copy()
    rig, plain = Rig(tmp_path / "one", COMPARED), Rig(tmp_path / "other", COMPARED)
    ahead = frame(200, 220, known)
    alone = ahead.without(["s1", "s2"], "missing")
    rig.feed(frame(0, 200, known), alone)
    known[150:220, 0] = QUIET[150:220]
    rig.feed(frame(150, 200, known).without(["s1", "s2"], "missing"))
    rig.feed(frame(200, 220, known).without(["s1", "s2"], "missing"))
    amend(rig, tmp_path / "one")
    plain.feed(frame(0, 200, known), frame(200, 220, known).without(["s1", "s2"], "missing"))
    assert rig.engine.state.comparisons.targets.tick.size > 0
    assert_same(rig, plain)
    for each in (rig, plain):
        each.feed(frame(200, TICKS, known))
    assert_same(rig, plain)


@pytest.mark.slow
def test_receivers_pages_and_explain_know_what_corrected_values_raise_and_withdraw(tmp_path: Path, capsys) -> None:
    known = VALUES.copy()
    known[:, 2] = QUIET
    sink = Sink()
    rig = Rig(tmp_path, out=sink)
    for first in range(0, 240, 40):
        rig.feed(frame(first, first + 40, known))
    before = {event["series"]: event for event in sink.events if event["what"] == "raised"}
    sent = len(sink.events)
    known[:, 0], known[:, 2] = QUIET, VALUES[:, 2]
    rig.feed(frame(0, 240, known))
    untouched = rig.state[0]
    amend(rig, tmp_path)
    new = sink.events[sent:]
    (withdrawn,) = (event for event in new if event["series"] == "s0")
    assert (withdrawn["id"], withdrawn["what"], withdrawn["ended_by"]) == (before["s0"]["id"], "cleared", WITHDRAWN)
    raised = [event for event in new if event["series"] == "s2" and event["what"] == "raised"]
    assert raised
    assert all("corrected since" in event["text"] for event in raised)
    assert {event["series"] for event in new} == {"s0", "s2"}, "what stands is no news"
    row = np.frombuffer(untouched["cohort/0/series"], np.int64).tolist().index(1)
    for name, data in rig.state[0].items():
        if name.startswith("cohort/0/") and "pending" not in name and data:
            now, then = (np.frombuffer(each, np.uint8).reshape(3, -1)[row] for each in (data, untouched[name]))
            assert np.array_equal(now, then), f"{name} of a series that was not corrected"
    alarm = raised[-1]["id"]
    for command in ("explain", "replay"):
        assert entry_point([command, str(alarm), "--state", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "DIFFERS" not in said
        assert "differs" not in said
    (kept,) = (one for one in rig.journal.events(alarm=str(alarm)) if one.body["what"] == "raised")
    ticks = retrace(rig.journal, kept).ticks
    assert ticks is not None
    assert np.isin(ticks.value, VALUES[:, 2]).all(), "the course of an alarm is that of the values which raise it"
    assert {str(event["alarm_id"]) for event in rig.journal.open_events()} == {
        str(event["alarm_id"]) for event in rig.engine.outbox._open.values()
    }


@pytest.mark.slow
def test_an_alarm_that_is_withdrawn_and_confirmed_again_is_raised_again_and_ends_once_more(tmp_path: Path) -> None:
    sink = Sink()
    rig = Rig(tmp_path, out=sink)
    for first in range(0, 240, 40):
        rig.feed(frame(first, first + 40))
    known = VALUES.copy()
    for values in (QUIET, VALUES[:, 0], QUIET, VALUES[:, 0]):
        known[:, 0] = values
        rig.feed(frame(0, 240, known))
        amend(rig, tmp_path)
        rig.journal.close()
        rig = Rig(tmp_path, out=sink)
    rig.feed(frame(240, 400))
    last = [event for event in sink.events if event["series"] == "s0"]
    alarm = next(str(event["id"]) for event in last if event.get("ended_by") == WITHDRAWN)
    mine = [event for event in last if event["id"] == alarm]
    assert [event["what"] for event in mine] == ["raised", "cleared"] * 3
    assert not last[-1].get("ended_by")
    # A receiver that drops what it knows by its key had dropped the alarm that was raised once more.
    assert len({idempotence_key(event) for event in mine}) == len(mine)


def test_an_alarm_that_is_raised_once_more_is_open_it_could_not_be_acknowledged_and_left_the_page() -> None:
    events = [
        {"id": f"a/{what}/{n}", "alarm_id": "a", "what": what, "series": "s0", "time_us": n}
        for n, what in enumerate(("raised", "cleared", "raised"))
    ]
    others = [{"id": f"{n}", "alarm_id": f"{n}", "what": "cleared", "series": "s1", "time_us": 9} for n in range(5)]
    assert choose_shown([*events, *others], most=5) == (*events, *others)
    fact, _ = _acknowledge("a", "me", "", events)
    assert fact["alarm_id"] == "a"
    with pytest.raises(UsageError, match="has ended"):
        _acknowledge("a", "me", "", events[:2])


def test_a_read_of_the_journal_that_fails_behind_a_step_loses_none_of_its_events(tmp_path: Path, monkeypatch) -> None:
    sink = Sink()
    rig = Rig(tmp_path, out=sink)
    rig.feed(frame(0, 120))

    def fails(_: object) -> dict[str, int]:
        raise JournalUnwritable("the disk gave an error once")

    with monkeypatch.context() as patched:
        patched.setattr(rig.journal, "count_forgotten", fails)
        late = frame(0, 400)
        rig.feed(late)
    rig.feed()
    kept = {event.body["id"] for event in rig.journal.events()}
    whole = Rig(tmp_path / "whole", out=Sink())
    whole.feed(frame(0, 120))
    whole.feed(frame(0, 400))
    assert kept == {event.body["id"] for event in whole.journal.events()}
    assert kept


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_read_holds_up_no_correction_an_earlier_one_is_taken(tmp_path: Path) -> None:
    right = VALUES.copy()
    right[250, 0] = VALUES[250, 0] + 5.0
    wanted = Rig(tmp_path / "wanted", out=Sink())
    for known, folder in ((VALUES, tmp_path / "found"), (right, tmp_path / "wanted")):
        rig = wanted if known is right else Rig(folder, out=Sink())
        for first in range(0, 300, 50):
            rig.feed(frame(first, first + 50, known))
            rig.engine.checkpoint()
        if known is VALUES:
            found = rig
    last = max(batch for batch in found.journal.checkpoints.batches() if batch <= 5)
    with sqlite3.connect(tmp_path / "found" / "sentinel.db") as spoilt:
        spoilt.execute("UPDATE checkpoint SET header = 'spoilt' WHERE batch = ?", (last,))
    spoilt.close()
    found.feed(frame(250, 251, right))
    amend(found, tmp_path / "found")
    assert found.engine.amended == found.engine.corrected > 0
    assert_same(found, wanted)


def test_an_alarm_that_corrected_values_end_earlier_is_confirmed_and_ends(tmp_path: Path) -> None:
    sink = Sink()
    rig = Rig(tmp_path, out=sink)
    rig.feed(frame(0, 90))
    known = VALUES.copy()
    known[60:90, 0] = QUIET[60:90]
    rig.feed(frame(60, 90, known))
    amend(rig, tmp_path)
    (ended,) = (event for event in sink.events if event["what"] == "cleared" and event["series"] == "s0")
    assert ended["ended_by"] in (CORRECTED, WITHDRAWN)


def test_what_is_killed_before_it_is_taken_over_leaves_the_old_state_and_is_done_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    known = VALUES.copy()
    known[:, 0] = QUIET
    rig.feed(frame(0, 200, known))
    before = rig.state
    begin(rig.journal, rig.engine.state, rig.engine.corrected).catch_up(rig.journal)
    rig.journal.close()
    again = Rig(tmp_path)
    assert again.state == before
    amend(again, tmp_path)
    assert again.state != before
    assert again.engine.amended == again.engine.corrected


@pytest.mark.slow
def test_series_computed_anew_in_a_format_that_is_not_read_any_more_are_computed_anew_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Bug: a later version kept the uncorrected states for good, with a warning."""
    rig, known = Rig(tmp_path), VALUES.copy()
    rig.feed(frame(0, 200))
    known[50:200, 0] = QUIET[50:200]
    rig.feed(frame(0, 200, known))
    before = rig.state
    with monkeypatch.context() as patched:  # as an old version did
        patched.setattr(codec, "FORMAT", 3)
        amend(rig, tmp_path)
    wanted = rig.state
    assert wanted != before
    rig.journal.close()
    again = Rig(tmp_path)
    assert again.state == before
    assert "cannot be continued" in caplog.text
    assert again.engine.amended < again.engine.corrected
    amend(again, tmp_path)
    assert again.engine.amended == again.engine.corrected
    again.journal.close()
    after = Rig(tmp_path)
    for each in (again, after):
        assert_same(each, rig)
    assert after.engine.amended == after.engine.corrected, "once"


@pytest.mark.slow
def test_corrections_from_before_all_checkpoints_are_too_old_and_counted_apart(tmp_path: Path) -> None:
    rig, known = Rig(tmp_path), VALUES.copy()
    for first in range(0, 200, 50):
        rig.feed(frame(first, first + 50))
        rig.engine.checkpoint()
    forgotten = frame(100, 150, known)
    rig.journal._database.connection.execute("DELETE FROM batch WHERE id = 1")  # as if retention had taken it
    assert begin(rig.journal, rig.engine.state, 0).begun == 0
    known[100:150, 0] = QUIET[100:150]
    rig.feed(frame(100, 150, known))
    before = rig.state
    amend(rig, tmp_path)
    assert rig.state != before, "an older checkpoint was kept"
    before = rig.state
    known[:50, 0] = QUIET[:50]
    rig.feed(frame(0, 50, known))
    amend(rig, tmp_path)
    too_old = {"reason": "too_old", **SOURCE}
    assert rig.count("observations_rejected_total", **too_old) == 50.0
    assert rig.state == before
    known[150:200, 0] = QUIET[150:200]
    rig.feed(frame(150, 200, known))
    amend(rig, tmp_path)
    assert rig.count("observations_rejected_total", **too_old) == 50.0, "those that are too old hold up no others"
    assert rig.state != before
    while rig.journal.retention.step(1 << 62, 1):
        pass
    rig.feed(forgotten, frame(50, 100, known))
    assert rig.count("observations_rejected_total", **too_old) == 50.0 + 150.0 + 150.0
    assert rig.count("observations_late_total", **SOURCE) == 0.0


def test_corrections_of_a_series_that_is_retired_since_change_nothing_and_are_done_with(tmp_path: Path) -> None:
    rig, known = Rig(tmp_path), VALUES.copy()
    rig.feed(frame(0, 100))
    known[:, 0] = QUIET
    rig.feed(frame(0, 100, known))
    found = begin(rig.journal, rig.engine.state, rig.engine.corrected)
    found.catch_up(rig.journal)
    rig.engine.ask({"action": "retired", "series": "s0"})
    rig.feed()
    before = rig.state
    rig.engine.note_amended(found)
    rig.feed()
    assert rig.state == before
    assert rig.engine.amended == rig.engine.corrected
    assert not [event for event in rig.engine.events if event["what"] == "amended"], "nothing is said of other series"
