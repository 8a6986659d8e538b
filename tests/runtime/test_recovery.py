"""Recovery: a state of 0.1.0 goes on; one that does not fit is replayed, or starts afresh with a forgotten journal."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sentinel.domain.errors import StateError
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.domain.states import State
from sentinel.journal import Journal
from sentinel.pipeline import plan
from tests.data import write_state_0_1_0 as first_version
from tests.fixtures import events_of
from tests.pipeline.streams import HOUR_US, ar1
from tests.runtime.rig import CHOSEN, Rig, frame

STATE_0_1_0 = Path(first_version.__file__).parent / "state-0.1.0"
FIRST, *OTHERS = first_version.CHOSEN["alarms"]
AS_IT_WAS = first_version.CHOSEN | {"alarms": [{**FIRST, "at_start": "alarm"}, *OTHERS]}
"""Settings of 0.1.0 that say what they meant: a rule with a threshold raised alarms from the first verdict on."""


def part(first: int) -> Frame:
    """Twenty ticks of what the state of 0.1.0 was fed with, and of what follows."""
    rows = first_version.observations(first, first + 20)
    return Frame("buoys", pl.DataFrame(rows, schema=OBSERVATIONS, orient="row"), {"at": first + 20}, rejected={})


def without_what_began(rig: Rig) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The state but for what 0.1.0 did not have: an estimate, a range, the mean jump, early ticks."""
    arrays, header = rig.state
    began = ("skewness", "conditioner/far", "conditioner/jump", "comparisons/early/")
    return {name: array for name, array in arrays.items() if not any(part in name for part in began)}, header


def moments(rig: Rig) -> list[tuple[str, int]]:
    return [(event["id"], event["time_us"]) for event in events_of(rig.journal)]


@pytest.mark.slow
def test_a_state_of_0_1_0_goes_on_as_if_it_had_always_been_of_this_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Series that run keep the baseline of their spread, which was the values before the first verdict."""
    monkeypatch.setattr(plan, "BASELINE", 0)
    shutil.copytree(STATE_0_1_0, tmp_path / "a")
    continued, straight = Rig(tmp_path / "a", AS_IT_WAS), Rig(tmp_path / "b", AS_IT_WAS)
    assert continued.engine.restored
    for first in range(first_version.END_AT, 400, 20):
        continued.feed(part(first))
    for first in range(0, 400, 20):
        straight.feed(part(first))
    assert without_what_began(continued) == without_what_began(straight)
    assert continued.record[1:] == straight.record[1:], "digests, cursors, series"
    assert moments(continued) == moments(straight)
    assert {event["series"] for event in events_of(straight.journal)} >= {"peter", "peter - paul", "shore"}


@pytest.mark.slow
def test_an_upgrade_keeps_the_alarms_of_series_that_run_and_what_begins_after_it_is_held(tmp_path: Path) -> None:
    for name in "ab":
        shutil.copytree(STATE_0_1_0, tmp_path / name)
    upgraded, as_it_was = Rig(tmp_path / "a", first_version.CHOSEN), Rig(tmp_path / "b", AS_IT_WAS)
    slow = ar1(8, 0.95, 300)[:, 0]
    for rig in (upgraded, as_it_was):
        for first in range(first_version.END_AT, 500, 20):
            rows = [("new", t * HOUR_US, float(slow[t - first_version.END_AT])) for t in range(first, first + 20)]
            rows += first_version.observations(first, first + 20)
            table = pl.DataFrame(rows, schema=OBSERVATIONS, orient="row")
            rig.feed(Frame("buoys", table, {"at": first + 20}, rejected={}))

    def alarms(rig: Rig, rule: Mapping[str, Any], *, new: bool) -> list[str]:
        label = f"{rule['threshold']:g}"
        events = events_of(rig.journal)
        return [event["id"] for event in events if (event["series"] == "new") is new and event.get("label") == label]

    assert alarms(upgraded, FIRST, new=False) == alarms(as_it_was, FIRST, new=False)
    assert not alarms(upgraded, FIRST, new=True)
    assert alarms(as_it_was, FIRST, new=True)
    assert [view.name for view in upgraded.engine.snapshot.views() if view.held] == ["new"]
    assert not any(view.held for view in as_it_was.engine.snapshot.views())


@pytest.mark.slow
def test_a_state_of_0_1_0_with_a_knob_that_is_constant_now_is_read_without_it_and_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(STATE_0_1_0, tmp_path / "a")
    with Journal.open(tmp_path / "a") as journal:
        last = journal.checkpoints.load()
        assert last is not None
        settings = json.loads(json.dumps(last.header["settings"]))
        settings["banks"]["default"] |= {"kappa": 2.0}
        journal.checkpoints.save(last.arrays, {**last.header, "settings": settings}, last.batch, last.created_us)
        journal.record("settings", {"settings": settings}, last.created_us)
    after = Rig(tmp_path / "a", first_version.CHOSEN)
    assert after.engine.restored
    said = "recorded settings, banks.default.kappa: 2.0; it is always 1.5 now; ignored"
    assert [record.message for record in caplog.records if "recorded settings" in record.message] == [said]
    after.feed(part(first_version.END_AT))


def rewrite(folder: Path, **header: Any) -> None:
    """Save the last checkpoint again, with another header and an array renamed."""
    with Journal.open(folder) as journal:
        last = journal.checkpoints.load()
        assert last is not None
        arrays = {name.replace("/spread/points", "/spread/count"): array for name, array in last.arrays.items()}
        journal.checkpoints.save(arrays, {**last.header, **header}, last.batch, last.created_us)


def stopped(folder: Path, *edges: int, chosen: Mapping[str, Any] = CHOSEN) -> Rig:
    """An engine that was fed and saved a checkpoint after each part but the last; its journal is closed."""
    rig = Rig(folder, chosen)
    for first, last in pairwise(edges):
        rig.feed(frame(first, last))
        if last != edges[-1]:
            rig.engine.checkpoint()
    rig.journal.close()
    return rig


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_is_dropped_and_the_journal_replayed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = stopped(tmp_path, 0, 90, 150, 200)
    rewrite(tmp_path)
    caplog.clear()
    after = Rig(tmp_path)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "the checkpoint of another version cannot be continued: the journal is replayed from its beginning"
    ]
    assert after.state == before.state
    after.feed(frame(200, 250))
    after.engine.checkpoint()
    after.journal.close()
    assert Rig(tmp_path).state == after.state


@pytest.mark.slow
def test_where_the_journals_beginning_is_forgotten_every_series_starts_afresh_and_open_alarms_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = CHOSEN | {"sites": [{"name": "shore", "k": 2}]}
    before = stopped(tmp_path, 0, 60, 90, 95, chosen=chosen)
    with Journal.open(tmp_path) as journal:
        events = events_of(journal)
        while journal.retention.step(before.clock.now_us() + 1, 1 << 40):
            pass
    is_open = {e["alarm_id"] for e in events} - {e["alarm_id"] for e in events if e["what"] == "cleared"}
    assert len(is_open) >= 3
    rewrite(tmp_path)
    caplog.clear()
    after = Rig(tmp_path, chosen)
    (said,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "every series starts afresh in learning" in said.message
    cleared = {event["alarm_id"] for event in events_of(after.journal) if event["what"] == "cleared"}
    assert is_open <= cleared, "a site's too"
    assert not any(site.raised_us >= 0 for site in after.engine._replica.state.sites.values())
    assert after.engine._replica.state.names == before.engine._replica.state.names
    assert after.journal.cursors() == {"buoys": {"at": 95}}
    assert after.journal.series() == [(i, f"s{i}", "buoys") for i in range(3)]
    view = after.engine.snapshot.view("s0")
    assert view is not None
    assert view.state is State.LEARNING
    record = after.record
    after.journal.close()
    again = Rig(tmp_path, chosen)
    assert again.record == record, "killed before its first checkpoint it does the same again"
    assert again.state == after.state
    again.feed(frame(95, 300))
    state = again.engine._replica.state
    assert np.array_equal(state.ids, np.arange(3))
    assert all(members.last.ticks.min() > 100 for members in state.cohorts)
    json.dumps(events_of(again.journal), allow_nan=False)


def test_a_checkpoint_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    stopped(tmp_path, 0, 60, 90)
    rewrite(tmp_path, format=99)
    with pytest.raises(StateError, match=r"^checkpoint: state format 99; .*; start the sentinel that wrote"):
        Rig(tmp_path)


def test_after_a_restart_the_newest_observation_of_a_source_is_known(tmp_path: Path) -> None:
    # Bug: "none yet" stood on the page of a daily source for a day after each restart, and the panel of ages was empty.
    chosen = CHOSEN | {
        "sources": [{"kind": "push", "name": "buoys"}, {"kind": "csv", "name": "other", "path": "o.csv"}]
    }
    first = Rig(tmp_path, chosen)
    first.feed(frame(0, 80))
    newest_us = first.engine.sources["buoys"].newest_us
    first.engine.checkpoint()
    single = pl.DataFrame([("x", 90 * HOUR_US, 1.0)], schema=OBSERVATIONS, orient="row")
    first.feed(Frame("other", single, {"at": 1}, rejected={}))
    first.journal.close()
    again = Rig(tmp_path, chosen)
    assert again.engine.sources["buoys"].newest_us == newest_us == 79 * HOUR_US
    assert again.count("source_last_observation_timestamp_seconds", source="buoys") == 79 * 3_600
    assert again.engine.sources["other"].newest_us == 90 * HOUR_US, "its cadence is not known yet"
    again.journal.close()
    without = Rig(tmp_path, chosen | {"sources": chosen["sources"][1:]})
    assert "buoys" not in without.engine.sources
