"""A renamed series keeps all it knows, in whatever order it is renamed and restarted; a forgotten one keeps nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.domain.errors import UsageError
from sentinel.domain.observation import Frame
from sentinel.domain.renaming import add_name, first_names, present_names
from sentinel.domain.states import SeriesView, State
from sentinel.journal import group_joined
from sentinel.runtime.replica import Replica
from sentinel.runtime.retrace import retrace
from tests.laws import examples
from tests.pipeline.test_retiring import digests
from tests.runtime.rig import CHOSEN, Rig, Sink, frame
from tests.runtime.test_recovery import rewrite
from tests.runtime.test_retrace import TWO

NEW = 's{lake="1"}'


def act(rig: Rig, action: str, series: str, to: str = "") -> None:
    answer = rig.engine.ask({"action": action, "series": series, "to": to})
    rig.engine.turn(0.0)
    answer.result(0.0)


def sent_as(given: Frame, **names: str) -> Frame:
    return replace(given, observations=given.observations.with_columns(pl.col("series").replace(names)))


def without_names(rig: Rig) -> list[str]:
    """Digests in order of the series' numbers."""
    own = digests(rig)
    return [own[name] for name in rig.engine._replica.state.names]


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [CHOSEN, TWO], ids=["alone", "compared"])
@pytest.mark.parametrize("renamed", ["s1", "s2"])  # in TWO a target, and a counterpart
@pytest.mark.parametrize("at", [20, 120])
def test_a_renamed_series_goes_on_bit_for_bit_under_either_name(
    chosen: dict[str, Any], renamed: str, at: int, tmp_path: Path
) -> None:
    plain, rig = Rig(tmp_path / "plain", chosen), Rig(tmp_path / "renamed", chosen)
    for one in (plain, rig):
        one.feed(frame(0, at))
    act(rig, "renamed", renamed, NEW)
    plain.feed(frame(at, 300))
    rig.feed(frame(at, 260))  # its source has not been told yet
    rig.feed(sent_as(frame(250, 300), **{renamed: NEW}))
    names = rig.engine.snapshot.names()
    assert NEW in names
    assert renamed not in names
    assert without_names(rig) == without_names(plain)
    # Alarms of one moment come in order of names.
    alarms = [{(event["alarm_id"], event["what"]) for event in one.engine.events} for one in (rig, plain)]
    assert alarms[0] == alarms[1]
    picture = rig.engine.history.spectrogram(NEW)
    assert picture is not None
    same = plain.engine.history.spectrogram(renamed)
    assert same is not None
    assert (picture.readings == same.readings).all()


STEPS = st.lists(
    st.sampled_from(["feed", "checkpoint", "restart", "rename", "back", "forget", "retire", "take back"]), max_size=9
)


@pytest.mark.parametrize("chosen", [CHOSEN, pytest.param(TWO, marks=pytest.mark.slow)], ids=["alone", "compared"])
@settings(max_examples=examples(3, 5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_restart_anywhere_changes_nothing(
    chosen: dict[str, Any], steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")
    rig, at = Rig(folder, chosen), 100
    rig.feed(frame(0, at))
    for step in [*steps, "restart", "feed", "restart"]:
        if step == "feed":
            rig.feed(frame(at, at + 30))
            at += 30
        elif step == "checkpoint":
            rig.engine.checkpoint()
        elif step == "restart":
            before, record = rig.state, rig.record
            shown = [event["id"] for event in rig.engine.events]
            rig.journal.close()
            rig = Rig(folder, chosen)
            assert (rig.state, rig.record) == (before, record)
            assert [event["id"] for event in rig.engine.events] == shown
        else:
            action, old, new = {
                "rename": ("renamed", "s1", NEW), "back": ("renamed", NEW, "s1"), "forget": ("forgotten", "s1", ""),
                "retire": ("retired", "s1", ""), "take back": ("taken_back", "s1", ""),
            }[step]  # fmt: skip
            try:
                act(rig, action, old, new)
            except UsageError:  # it is not in that state
                continue
    # What the journal alone leads to is what the engine has.
    replayed = Replica(rig.engine.settings)
    for joined in group_joined(rig.journal.tail(0)):
        replayed.apply(*joined)
    assert replayed.state.names == rig.engine._replica.state.names
    rig.journal.close()


def test_a_receiver_hears_of_the_end_under_the_name_it_heard_the_beginning(tmp_path: Path) -> None:
    sink = Sink()
    rig = Rig(tmp_path, CHOSEN, out=sink)
    rig.feed(frame(0, 90))
    series = next(str(event["series"]) for event in sink.events)
    before = len(sink.events)
    for name in ("s0", "s1", "s2"):
        act(rig, "renamed", name, f"new {name}")
    rig.feed()
    assert len(sink.events) == before  # nothing ended, and nothing began, by a name
    view = rig.engine.snapshot.view(f"new {series}")
    opened = {str(event["id"]) for event in sink.events if event["what"] == "raised"}
    assert {rule.alarm_id for rule in view.rules if rule.alarm_id} <= opened
    rig.feed(frame(90, 300))
    ends = [e for e in sink.events[before:] if e["what"] == "cleared" and e["id"] in opened]
    assert ends
    assert all(event["raised_as"] == str(event["series"]).removeprefix("new ") for event in ends)
    kept = [one for one in rig.journal.events() if one.body["what"] == "raised"]
    for one in (kept[0], kept[-1]):  # one from before, one from after
        assert retrace(rig.journal, one).differences(one.body) == []


def test_an_alarm_keeps_the_name_that_its_source_had_when_it_was_raised(tmp_path: Path) -> None:
    # Alertmanager knew it by the new name as it was sent again, and ended it by the old one within an hour.
    sink, table = Sink(), {"kind": "csv", "path": "x.csv"}
    rig = Rig(tmp_path, CHOSEN | {"sources": [table | {"name": "buoys"}]}, out=sink)
    rig.feed(frame(0, 90))
    opened = {event["id"] for event in sink.events if event["what"] == "raised"}
    assert not any("raised_from" in event for event in sink.events)
    rig.journal.close()
    again = Sink("new")
    rig = Rig(tmp_path, CHOSEN | {"sources": [table | {"name": "sea", "id": "buoys"}]}, out=sink, new=again)
    rig.feed(frame(90, 300))
    assert {event["id"] for event in again.events if event["source"] == "sea"} > opened
    for event in again.events:
        assert event.get("raised_from") == ("buoys" if event["id"] in opened else None)
    ended = {event["id"] for event in sink.events if event.get("raised_from") == "buoys" and event["what"] == "cleared"}
    assert ended == opened


def test_an_alarm_ends_for_its_site_though_its_series_has_a_name_by_then_that_the_site_does_not_match(
    tmp_path,
) -> None:
    chosen = CHOSEN | {"sites": [{"name": "lake", "match": "s?", "k": 1}]}
    rig = Rig(tmp_path, chosen)
    rig.feed(frame(0, 90))
    assert any(view.since_us >= 0 for view in rig.engine.snapshot.sites())
    for name in ("s0", "s1", "s2"):
        act(rig, "renamed", name, f"other/{name}")
    rig.feed(frame(90, 140))
    (site,) = rig.engine._replica.state.sites.values()
    open_now = {rule.alarm_id for view in rig.engine.snapshot.views() for rule in view.rules if rule.alarm_id}
    assert set(site.alarms) <= open_now


@pytest.mark.parametrize(("within", "raised"), [("1h", 0), ("1d", 1)])
def test_an_open_alarm_counts_for_a_site_that_matches_the_new_name(tmp_path: Path, within: str, raised: int) -> None:
    # It was open, and no site heard of it until it was raised again.
    sites = [{"name": "lake", "match": "lake/*", "k": 2, "within": within}]
    rig = Rig(tmp_path, CHOSEN | {"sites": sites})
    rig.feed(frame(0, 90))
    opened = {view.name: min(rule.since_us for rule in view.rules if rule.alarm_id) for view in with_alarm(rig)}
    first, second = sorted(opened, key=lambda name: opened[name])[:2]
    for name in (second, first):  # the later alarm is known first
        assert not any(event["what"] == "raised" and "members" in event for event in rig.engine.events)
        act(rig, "renamed", name, f"lake/{name}")
    events = [event for event in rig.engine.events if "members" in event]
    assert [event["what"] for event in events] == ["raised"] * raised
    assert all(event["members"] == sorted([f"lake/{first}", f"lake/{second}"]) for event in events)
    before = rig.state
    rig.journal.close()
    assert Rig(tmp_path, CHOSEN | {"sites": sites}).state == before


def with_alarm(rig: Rig) -> list[SeriesView]:
    return [view for view in rig.engine.snapshot.views() if any(rule.alarm_id for rule in view.rules)]


def test_settings_that_fit_the_new_name_as_the_old_ones_did_change_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, CHOSEN)
    rig.feed(frame(0, 200))
    act(rig, "renamed", "s0", NEW)
    before = without_names(rig)
    rig.journal.close()
    rig = Rig(tmp_path, CHOSEN | {"series": [{"match": {"lake": "1"}, "cadence": "1h"}, {"match": "*"}]})
    assert without_names(rig) == before


def test_a_forgotten_series_begins_anew_with_its_next_observation_and_no_other_notices(tmp_path: Path) -> None:
    plain, rig = Rig(tmp_path / "plain", CHOSEN), Rig(tmp_path / "forgotten", CHOSEN)
    for one in (plain, rig):
        one.feed(frame(0, 200))
    act(rig, "forgotten", "s1")
    assert "s1" not in rig.engine.snapshot.names()
    assert rig.engine.snapshot.retired() == []
    for one in (plain, rig):
        one.feed(frame(200, 250))
    view = rig.engine.snapshot.view("s1")
    assert view.state is State.LEARNING
    assert view.ticks <= 50
    mine, others = digests(rig), digests(plain)
    assert all(mine[name] == others[name] for name in ("s0", "s2"))


@pytest.mark.slow
def test_a_series_that_began_anew_under_the_new_name_gives_way_to_the_one_that_knows_more(tmp_path: Path) -> None:
    rig, plain = Rig(tmp_path / "late", CHOSEN), Rig(tmp_path / "plain", CHOSEN)
    for one in (plain, rig):
        one.feed(frame(0, 200))
    rig.feed(sent_as(frame(200, 210), s1=NEW))  # the source was told first
    with pytest.raises(UsageError, match="forget` it first"):
        act(rig, "renamed", "s1", NEW)
    act(rig, "forgotten", NEW)
    act(rig, "renamed", "s1", NEW)
    rig.feed(sent_as(frame(200, 300), s1=NEW))  # what had gone to the other comes again
    plain.feed(frame(200, 300))
    assert sorted(digests(rig).values()) == sorted(digests(plain).values())
    before = rig.state
    rig.journal.close()
    assert Rig(tmp_path / "late", CHOSEN).state == before


def test_names_outlast_a_state_that_no_version_can_read_and_a_journal_without_its_beginning(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 60))
    act(rig, "renamed", "s1", NEW)
    act(rig, "retired", "s2")
    act(rig, "forgotten", "s0")
    rig.engine.checkpoint()
    rig.feed(frame(60, 90))  # the forgotten one begins anew
    rig.engine.checkpoint()
    act(rig, "forgotten", "s0")
    rig.engine.checkpoint()
    rig.feed(sent_as(frame(90, 95), s0=NEW).without(["s2", "s1"], "foreign_series"))
    while rig.journal.retention.step(rig.clock.now_us() + 1, 1 << 40):
        pass
    names = rig.engine._replica.state.names, rig.engine._replica.state.retired, rig.engine._replica.state.renamed
    rig.journal.close()
    rewrite(tmp_path)
    after = Rig(tmp_path).engine._replica.state
    assert (after.names, after.retired, after.renamed) == names
    assert after.forgotten == ((0, "s0", "buoys"),)


@pytest.mark.parametrize(
    ("to", "said"), [("s2", "there is one"), ("", "one is needed"), ("a\nb", "one line"), ("gone", "there is one")]
)
def test_a_name_that_cannot_be_given_is_refused(to: str, said: str, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(sent_as(frame(0, 3), s0="gone"))
    act(rig, "retired", "gone")
    with pytest.raises(UsageError, match=said):
        act(rig, "renamed", "s1", to)


def test_an_earlier_name_of_another_series_is_refused(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 3))
    act(rig, "renamed", "s1", "b")
    with pytest.raises(UsageError, match="an earlier name of b"):
        act(rig, "renamed", "s2", "s1")
    with pytest.raises(UsageError, match="it was renamed to b"):
        act(rig, "retired", "s1")


@pytest.mark.parametrize(("chosen", "forgotten", "renamed"), [(CHOSEN, "s1", "s2"), (TWO, "s0", "s2")])
def test_bug_alarms_of_a_forgotten_series_passed_for_those_of_the_one_that_got_its_name(
    chosen: dict[str, Any], forgotten: str, renamed: str, tmp_path: Path
) -> None:
    rig = Rig(tmp_path, chosen)
    rig.feed(frame(0, 150))
    kept = [one for one in rig.journal.events() if one.body["what"] == "raised"]
    assert {one.body["series"] for one in kept} >= {forgotten}
    act(rig, "forgotten", forgotten)
    with pytest.raises(UsageError, match="alarms of a forgotten series"):
        act(rig, "renamed", renamed, forgotten)
    act(rig, "renamed", renamed, "another")
    act(rig, "renamed", "another", renamed)  # its own alarms have that name
    for one in kept:
        assert retrace(rig.journal, one).differences(one.body) == []


def test_a_series_gets_the_name_of_a_site_that_has_had_alarms(tmp_path: Path) -> None:
    rig = Rig(tmp_path, CHOSEN | {"sites": [{"name": "lake", "match": "s?", "k": 1}]})
    rig.feed(frame(0, 150))
    act(rig, "renamed", "s1", "lake")
    assert "lake" in rig.engine.snapshot.names()


NAMES = st.sampled_from("abcd")


@given(st.lists(st.tuples(NAMES, NAMES)))
def test_a_name_leads_to_one_series(steps: list[tuple[str, str]]) -> None:
    renamed: tuple[tuple[str, ...], ...] = ()
    for old, new in steps:
        if old != new and old not in present_names(renamed):
            renamed = add_name(renamed, old, new)
    presents = [names[-1] for names in renamed]
    assert len(set(presents)) == len(presents)
    assert first_names(renamed).keys() <= set(presents)
