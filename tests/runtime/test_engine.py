"""The engine in process, with a real journal and a real inbox: nothing lost, nothing doubled, nothing unseen."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sentinel.config import Settings
from sentinel.domain.errors import StateError
from sentinel.domain.observation import OBSERVATIONS, Frame, Rejection
from sentinel.domain.states import Reason, State
from sentinel.pipeline.codec import to_arrays
from sentinel.pipeline.cohort import Cohort
from sentinel.runtime.replica import Replica
from sentinel.text.claims import left_out_in_words
from tests.fixtures import events_of
from tests.pipeline.streams import HOUR_US, by_series
from tests.runtime.rig import CHOSEN, SOURCE, VALUES, Rig, Sink, frame

pytestmark = pytest.mark.usefixtures("at_once")


def test_duplicates_revisions_late_and_rejected_observations_are_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 100, rejected={Rejection.MISSING: 4}))
    rig.feed(frame(50, 110))
    changed = VALUES.copy()
    changed[105:110] += 1.0
    rig.feed(frame(104, 110, changed))
    late = pl.DataFrame([("s0", 5 * HOUR_US + 1, 1.0), ("s1", 6 * HOUR_US + 1, 1.0)], schema=OBSERVATIONS, orient="row")
    rig.feed(Frame("buoys", late, {"at": 110}))
    counts = {
        name: rig.count(f"observations_{name}_total", **SOURCE)
        for name in ("received", "accepted", "duplicate", "revised", "late")
    }
    assert counts == {"received": 300 + 180 + 18 + 2, "accepted": 332, "duplicate": 153, "revised": 15, "late": 2}
    assert rig.count("observations_rejected_total", reason="missing", **SOURCE) == 4
    status = rig.engine.sources["buoys"]
    assert (status.received, status.accepted, status.rejected, status.late) == (500, 332, 4, 2)
    assert status.newest_us == 109 * HOUR_US
    assert rig.count("ticks_total", **SOURCE) == 3 * 109
    assert rig.engine.snapshot.view("s1").ticks == 109


def test_messages_that_a_source_left_out_as_repeated_are_counted_as_duplicates(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(replace(frame(0, 10), repeated=2))
    counts = [rig.count(f"observations_{name}_total", **SOURCE) for name in ("received", "accepted", "duplicate")]
    assert counts == [32, 30, 2]


def test_a_budget_of_the_fleet_is_divided_before_a_new_series_is_watched(tmp_path: Path) -> None:
    chosen = CHOSEN | {"alarms": [{"threshold": 0.3, "alpha": 0.01, "shared_by": "fleet", "at_start": "alarm"}]}
    rig = Rig(tmp_path, chosen)

    def alphas(which: Rig) -> set[float]:
        return {rule.alpha for view in which.engine.snapshot.views() for rule in view.rules}

    rig.feed(frame(0, 100))
    assert alphas(rig) == {0.01 / 4}
    assert rig.engine.snapshot.false_alarms_a_day() == {"warning": pytest.approx(3 * 24 * 0.01 / 4)}
    open_before = {event["id"] for event in events_of(rig.journal) if event["what"] == "raised"}
    open_before -= {event["id"] for event in events_of(rig.journal) if event["what"] == "cleared"}
    assert open_before
    more = np.hstack([VALUES, VALUES])
    rig.feed(frame(100, 101, more))
    assert alphas(rig) == {0.01 / 8}
    assert not [event for event in events_of(rig.journal) if event["what"] == "cleared" and event["id"] in open_before]
    rig.feed(frame(101, 300, more))
    # What a crash leaves is replayed under the budgets of its time, and nothing is divided twice.
    rig.journal.close()
    again = Rig(tmp_path, chosen)
    assert again.state == rig.state
    again.feed(frame(300, 400, more))
    assert alphas(again) == {0.01 / 8}


def test_ticks_that_are_watched_and_ticks_in_alarm_are_counted_from_0_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rule = {"detector": "lag1", "threshold": "0.3"}
    names = ("alarm_watching_ticks_total", "alarm_open_ticks_total", "alarms_raised_total")
    shown = [one.values() for one in rig.metrics.instruments() if one.row.name.removeprefix("sentinel_") in names]
    assert shown == [{("lag1", "0.3"): 0.0}] * 3
    rig.feed(frame(0, 300))
    watching, in_alarm, raised = (rig.count(name, **rule) for name in names)
    assert raised > 0
    assert watching > raised
    assert in_alarm > 0
    assert watching + in_alarm <= rig.count("ticks_total", **SOURCE)


def test_comparisons_that_a_reload_adds_share_a_budget_of_the_fleet_at_once(tmp_path: Path) -> None:
    # Bug: they were counted with the next new series only, and the fleet had twice its budget until then.
    chosen = {"alarms": [{"threshold": 0.3, "alpha": 0.01, "shared_by": "fleet"}], "banks": CHOSEN["banks"]}
    rig = Rig(tmp_path, {**chosen, "series": [{"cadence": "1h"}]})
    rig.feed(frame(0, 100))
    compared = [{"match": name, "counterpart": "s1", "cadence": "1h"} for name in ("s0", "s2")]
    rig.engine.reload(Settings.model_validate({**chosen, "series": [*compared, {"cadence": "1h"}]}))
    rig.engine.turn(0.0)
    views = list(rig.engine.snapshot.views())
    assert len(views) == 5
    assert {rule.alpha for view in views for rule in view.rules} == {0.01 / 8}


def test_a_frame_that_breaks_its_promise_is_refused_and_the_next_one_counts(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    broken = Frame("buoys", pl.DataFrame({"series": ["s0"], "time": [1], "value": [1.0]}), {"at": 5})
    rig.feed(broken, frame(0, 60))
    assert rig.count("source_fetch_failures_total", **SOURCE) == 1
    assert rig.engine.sources["buoys"].refused == 1
    assert rig.count("observations_accepted_total", **SOURCE) == 180
    assert rig.journal.cursors() == {"buoys": {"at": 60}}


def test_a_notifier_that_fails_and_recovers_hears_everything_once_and_in_order(tmp_path: Path) -> None:
    steady, shaky = Sink(), Sink()
    rig = Rig(tmp_path, shaky=shaky, steady=steady)
    for n, first in enumerate(range(0, 400, 20)):
        shaky.broken = n % 3 == 1
        shaky.fails_after = len(shaky.events) + 1 if n % 3 == 2 else None
        rig.feed(frame(first, first + 20))
        assert steady.keys == [event["id"] for event in events_of(rig.journal)], "one that fails holds up no other"
        assert rig.count("outbox_notifications", sink="shaky") == len(steady.keys) - len(shaky.keys)
    shaky.broken, shaky.fails_after = False, None
    rig.feed()
    assert len(steady.keys) > 6
    assert shaky.keys == steady.keys
    assert len(set(shaky.keys)) == len(shaky.keys)
    assert rig.count("notification_failures_total", sink="shaky") > 0
    assert rig.count("outbox_notifications", sink="shaky") == 0


def test_what_was_not_delivered_before_a_crash_is_delivered_after_it(tmp_path: Path) -> None:
    before, after = Sink(), Sink()
    before.fails_after = 2
    rig = Rig(tmp_path, out=before)
    rig.feed(frame(0, 400))
    owed = [event["id"] for event in events_of(rig.journal)]
    rig.journal.close()
    Rig(tmp_path, out=after).feed()
    assert before.keys + after.keys == owed


def lived(folder: Path, cuts: Sequence[int], crashes: Mapping[int, bool], chosen: Mapping[str, Any]) -> Rig:
    """A life with crashes after some frames; True = with a checkpoint some frames before."""
    rig = Rig(folder, chosen)
    edges = [0, *cuts, 400]
    for n, (first, last) in enumerate(pairwise(edges)):
        rig.feed(frame(first, last, watermark_us=last * HOUR_US))
        if crashes.get(n):
            rig.engine.checkpoint()
        elif n in crashes:
            rig.journal.close()
            rig = Rig(folder, chosen)
    return rig


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
def test_checkpoint_and_tail_restore_the_state_bitwise_at_any_moment(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, 400), 12))
    crashes = {n: chance.random() < 0.5 for n in chance.sample(range(13), 8)}
    straight = lived(tmp_path / "a", cuts, {}, CHOSEN)
    crashed = lived(tmp_path / "b", cuts, crashes, CHOSEN)
    assert crashed.state == straight.state
    assert crashed.record == straight.record
    assert crashed.engine._replica.watermarks == straight.engine._replica.watermarks
    assert len(straight.record[0]) > 4  # type: ignore[arg-type]
    crashed.journal.close()
    again = Rig(tmp_path / "b")
    assert again.state == straight.state
    assert again.record == straight.record


@pytest.mark.slow
def test_a_tick_that_breaks_off_leaves_no_state_to_go_on_from_and_the_journal_leads_to_what_it_would_have_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = lived(tmp_path / "a", [100, 200], {}, CHOSEN)
    rig = Rig(tmp_path / "b")
    rig.feed(frame(0, 100, watermark_us=100 * HOUR_US))
    rig.engine.checkpoint()
    rig.feed(frame(100, 200, watermark_us=200 * HOUR_US))
    step, begun = Cohort.step, []

    def breaks_off(*arguments: Any) -> Any:
        if begun:
            raise MemoryError
        begun.append(1)
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "step", breaks_off)
        with pytest.raises(MemoryError):
            rig.feed(frame(200, 400, watermark_us=400 * HOUR_US))
    assert len(rig.engine.snapshot.views()) == 3, "who reads goes on reading what was"
    with pytest.raises(StateError, match="a batch broke off"):  # what the daemon does at its end
        rig.engine.checkpoint()
    rig.journal.close()
    again = Rig(tmp_path / "b")
    assert again.state == straight.state
    assert again.record == straight.record


@pytest.mark.slow
def test_what_is_replayed_is_not_counted_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 300))
    rig.journal.close()
    again = Rig(tmp_path)
    for name in ("ticks", "observations_accepted", "observations_late", "gaps"):
        assert again.count(f"{name}_total", **SOURCE) == 0
    again.feed(frame(300, 301))
    assert again.count("ticks_total", **SOURCE) == 3


OTHER = CHOSEN | {
    "series": [{"match": "s0", "cadence": "1h", "max_gap": "10h"}, {"match": "*"}],
    "alarms": [{"threshold": 0.4, "alpha": 0.01, "at_start": "alarm"}],
}


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_change_of_settings_is_replayed_like_everything_else(tmp_path: Path, checkpoint: bool) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    if checkpoint:
        rig.engine.checkpoint()
    rig.engine.reload(Settings.model_validate(OTHER))
    rig.feed(frame(200, 300))
    found, record = rig.state, rig.record
    assert rig.engine.settings.alarms[0].threshold == 0.4
    ended = [event for event in events_of(rig.journal) if "change of settings" in str(event["text"])]
    assert {event["threshold"] for event in ended} == {0.3}
    rig.journal.close()
    again = Rig(tmp_path, OTHER)
    assert (again.state, again.record) == (found, record)
    replay = Replica(Settings())
    for committed in again.journal.tail(0):
        replay.apply(committed)
    assert {n: a.tobytes() for n, a in to_arrays(replay.state)[0].items()} == found[0]


def test_other_settings_at_a_restart_are_recorded_and_keep_what_did_not_change(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 200))
    kept = by_series(rig.engine._replica.state)
    rig.journal.close()
    chosen = CHOSEN | {"series": [{"match": "s0", "cadence": "1h", "max_gap": "10h"}, {"match": "*"}]}
    again = Rig(tmp_path, chosen)
    found = by_series(again.engine._replica.state)
    assert found["s1"] == kept["s1"]
    assert found["s0"] != kept["s0"]
    assert again.journal.settings() is not None
    assert again.engine.snapshot.view("s0").state is State.LEARNING
    batches = [committed.kind for committed in again.journal.tail(0)]
    assert batches == ["settings", "observations", "settings"]
    again.journal.close()
    same = Rig(tmp_path, chosen)
    assert [committed.kind for committed in same.journal.tail(0)] == batches, "the same are not recorded again"


def test_a_source_that_falls_silent_makes_its_series_stale_and_a_restart_remembers_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 100, watermark_us=100 * HOUR_US))
    assert rig.engine.snapshot.view("s0").reason is not Reason.STALE
    nothing = frame(100, 100, watermark_us=110 * HOUR_US)
    rig.feed(nothing)
    assert rig.engine.snapshot.view("s0").reason is Reason.STALE
    rig.engine.checkpoint()
    rig.journal.close()
    assert Rig(tmp_path).engine.snapshot.view("s0").reason is Reason.STALE


def test_old_observations_are_forgotten_over_as_many_turns_as_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentinel.journal.checkpoints.CHUNK_ROWS", 100)
    rig = Rig(tmp_path, CHOSEN | {"daemon": {"retention_ticks": 100}})
    for first in range(0, 300, 50):
        rig.feed(frame(first, first + 50))
    rig.engine.checkpoint()
    rig.clock.set(2_000 * HOUR_US)
    rig.feed(frame(300, 350))
    rig.engine.checkpoint()
    rig.feed(frame(350, 400))
    rig.engine._checkpoints._due = 0.0
    for _ in range(40):
        rig.engine.turn(0.0)
    ((left,),) = rig.journal._database.read("SELECT sum(observations) FROM batch")
    assert 300 <= left < 400, "the last 100 ticks of three series"
    state = rig.state
    rig.journal.close()
    assert Rig(tmp_path).state == state


def test_a_fill_value_that_nobody_declared_is_named_in_log_metrics_and_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path)
    values = VALUES.copy()
    values[5::25, 0] = -999.0
    rig.feed(frame(0, 200, values), frame(200, 400, values))
    named = [record for record in caplog.records if "taken as missing" in record.message]
    assert [(vars(record)["series"], vars(record)["values"]) for record in named] == [("s0", "-999")]
    assert rig.engine.snapshot.left_out_counts() == {"buoys": pytest.approx((values == -999.0).sum(), abs=3)}
    view = rig.engine.snapshot.view("s0")
    assert view.fill_values == (-999.0,)
    assert view.values_left_out == ((-999.0, view.left_out),)
    assert "-999 lies far from all others" in left_out_in_words(view.left_out, view.values_left_out)
    assert rig.engine.snapshot.view("s1").left_out == 0


def test_series_that_no_rule_fits_are_counted_and_named_in_one_line_at_start_at_reload_and_as_they_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bug: a rule that fitted nothing, as series had labels, left them all watched by none and shown as watching."""
    rule = {"threshold": 0.8, "alpha": 1e-4}
    chosen = CHOSEN | {"alarms": [{**rule, "match": "s2"}]}

    def told() -> list[tuple[int, str]]:
        lines = [vars(record) for record in caplog.records if "no alarm rule fits" in record.message]
        caplog.clear()
        return [(line["count"], line["first"]) for line in lines]

    rig = Rig(tmp_path, chosen)
    assert told() == []
    rig.feed(frame(0, 20))
    assert (told(), rig.engine.snapshot.without_rule()) == ([(2, "s0")], ["s0", "s1"])
    rig.feed(frame(20, 100))
    assert (told(), dict(rig.engine.snapshot.without_rule_counts())) == ([], {"buoys": 2})
    more = frame(100, 120)
    rig.feed(Frame("buoys", more.observations.with_columns(series="x" + pl.col("series")), {"at": 120}))
    assert told() == [(3, "xs0")]
    rig.engine.reload(rig.engine.settings)
    rig.engine.turn(0.0)
    assert told() == [(5, "s0")]
    rig.journal.close()
    again = Rig(tmp_path, chosen | {"alarms": [{**rule, "match": "*s[02]"}]})
    assert (told(), dict(again.engine.snapshot.without_rule_counts())) == ([(2, "s1")], {"buoys": 2})
    again.engine.reload(Settings.model_validate({**chosen, "alarms": [{**rule, "match": "*"}]}))
    again.engine.turn(0.0)
    assert (told(), dict(again.engine.snapshot.without_rule_counts())) == ([], {"buoys": 0})
