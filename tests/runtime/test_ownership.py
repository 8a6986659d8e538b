"""Which source a series belongs to: no race decides it, a renamed source keeps it, and it can move to another."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from sentinel.domain.observation import OBSERVATIONS, Frame, Rejection
from sentinel.domain.states import Reason, State
from sentinel.pipeline.state import PipelineState
from sentinel.runtime.ownership import Ownership
from sentinel.sources import make_source
from sentinel.sources.claims import Claim, look_at, shared_series
from tests.pipeline.streams import HOUR_US
from tests.runtime.rig import CHOSEN, VALUES, Rig, frame
from tests.runtime.test_scheduler import Counting
from tests.sources.following import csv_source, follow


def polled(*sources: dict[str, str]) -> dict[str, object]:
    made = [{"kind": "csv", "path": f"{one['name']}.csv", "every": "1h", **one} for one in sources]
    return CHOSEN | {"sources": made}


def watched(first: int, last: int, **more: object) -> Frame:
    return replace(frame(first, last), **({"watermark_us": last * HOUR_US} | more))


def test_a_source_that_is_renamed_keeps_its_series_and_its_place(tmp_path: Path) -> None:
    rig = Rig(tmp_path, polled({"name": "buoys"}))
    rig.feed(watched(0, 100))
    learnt = rig.engine.snapshot.view("s0").ticks
    rig.journal.close()
    again = Rig(tmp_path, polled({"name": "lake", "id": "buoys"}))
    again.feed(watched(100, 200))
    view = again.engine.snapshot.view("s0")
    assert (view.source, view.ticks) == ("lake", learnt + 100)
    assert again.count("observations_accepted_total", source="lake") == 300
    assert set(again.journal.cursors()) == {"buoys"}
    assert {source for source, _, _ in again.engine.snapshot.counts()} == {"lake"}
    assert again.engine.sources["buoys"].name == "lake"


def test_series_of_a_source_that_is_not_configured_any_more_are_taken_over_and_a_replay_does_the_same(tmp_path) -> None:
    rig = Rig(tmp_path, polled({"name": "buoys"}))
    rig.feed(watched(0, 100))
    rig.journal.close()
    again = Rig(tmp_path, polled({"name": "other"}))
    again.clock.set(200 * HOUR_US)
    again.feed(watched(100, 200, source="other"))
    view = again.engine.snapshot.view("s0")
    assert (view.source, view.ticks) == ("other", 200)
    assert again.count("observations_rejected_total", source="other", reason="foreign_series") == 0
    state = again.state
    again.journal.close()
    assert Rig(tmp_path, polled({"name": "other"})).state == state


def test_a_comparison_moves_with_its_series(tmp_path: Path) -> None:
    compared = {"series": [{"match": "s0", "cadence": "1h", "counterpart": "s1"}, {"match": "*", "cadence": "1h"}]}
    rig = Rig(tmp_path, polled({"name": "buoys"}) | compared)
    rig.feed(watched(0, 100))
    rig.journal.close()
    again = Rig(tmp_path, polled({"name": "other"}) | compared)
    again.feed(watched(100, 200, source="other"))
    view = again.engine.snapshot.view("s0 - s1")
    assert (view.source, view.ticks) == ("other", 200)


def test_a_series_that_its_source_is_known_not_to_have_any_more_moves_and_another_does_not(tmp_path: Path) -> None:
    sources = polled({"name": "buoys"}, {"name": "other"})
    rig = Rig(tmp_path, sources)
    rig.feed(watched(0, 100))
    rig.journal.close()
    again = Rig(tmp_path, sources)
    left = frozenset({"s1", "s2"})
    again.engine.expect({"buoys": Claim(left, left), "other": Claim(frozenset({"s0"}), frozenset({"s0"}))})
    again.feed(watched(100, 150, source="other"))
    assert again.count("observations_rejected_total", source="other", reason="foreign_series") == 100
    owners = {name: again.engine.snapshot.view(name).source for name in ("s0", "s1", "s2")}
    assert owners == {"s0": "other", "s1": "buoys", "s2": "buoys"}


def test_a_source_that_is_given_a_prefix_does_not_leave_its_former_series_to_another_lake(tmp_path: Path) -> None:
    (tmp_path / "north.csv").write_text("time,s0,note\n2024-01-01,7,calm\n")
    sources = polled({"name": "north", "path": str(tmp_path / "north.csv"), "prefix": "north/"}, {"name": "buoys"})
    claims = look_at([csv_source(tmp_path / "north.csv", prefix="north/")])
    rig = Rig(tmp_path, sources)
    rig.feed(watched(0, 10, source="north"))
    rig.engine.expect({"north": claims["lake"]})
    rig.feed(watched(10, 20))
    assert rig.count("observations_rejected_total", source="buoys", reason="foreign_series") == 10
    assert {name: rig.engine.snapshot.view(name).source for name in ("s0", "s1")} == {"s0": "north", "s1": "buoys"}


def test_of_two_sources_with_a_series_the_earlier_in_the_settings_has_it_whichever_answers_first() -> None:
    both = Claim(frozenset({"ph", "do"}), None)
    for order in permutations(["a", "b", "c"]):
        ownership = Ownership(["a", "b", "c"])
        ownership.expect({"b": both, "c": both})
        ownership.follow(PipelineState())
        taken = {one: ownership.sort_out(["ph", "new"], one) for one in order}
        assert taken["b"] == ({}, [], [])
        assert taken["c"] == ({"ph": "b"}, [], [])


@pytest.mark.parametrize("order", [("first", "buoys"), pytest.param(("buoys", "first"), marks=pytest.mark.slow)])
def test_a_name_that_appears_later_in_two_sources_is_that_of_the_earlier_in_the_settings_whoever_brings_it(
    tmp_path: Path, caplog, order: tuple[str, str]
) -> None:
    """It belonged to the one that was polled first, so chance decided which lake was judged."""
    sources = polled({"name": "first"}, {"name": "buoys"})
    rig, values = Rig(tmp_path, sources), {"first": VALUES, "buoys": VALUES + 100.0}
    for hour in range(0, 200, 10):
        for name in order:
            rig.feed(replace(frame(hour, hour + 10, values[name]), source=name, watermark_us=None))
    view = rig.engine.snapshot.view("s0")
    assert (view.source, view.value) == ("first", VALUES[198, 0])  # the last tick is open
    late = 10 if order[0] == "buoys" else 0  # the times that the other one had taken
    assert view.ticks == 199 - late
    assert rig.count("observations_rejected_total", source="buoys", reason=Rejection.FOREIGN) == 600 - 3 * late
    assert rig.count("observations_rejected_total", source="first", reason=Rejection.FOREIGN) == 0
    said = [record for record in caplog.records if "refused; give other names" in record.message]
    assert {record.source for record in said} == ({"first", "buoys"} if late else {"buoys"})
    state = rig.state
    rig.journal.close()
    assert Rig(tmp_path, sources).state == state


def test_a_series_of_an_earlier_start_stays_with_its_source_though_one_before_it_brings_it_too(tmp_path: Path) -> None:
    sources = polled({"name": "first"}, {"name": "buoys"})
    rig = Rig(tmp_path, sources)
    rig.feed(watched(0, 2))
    rig.journal.close()
    again = Rig(tmp_path, sources)
    again.feed(watched(2, 3, source="first"), watched(2, 3))
    assert again.engine.snapshot.view("s0").source == "buoys"
    assert again.count("observations_rejected_total", source="first", reason=Rejection.FOREIGN) == 3


def test_a_column_that_is_refused_is_not_said_to_have_no_numbers(tmp_path: Path) -> None:
    rig = Rig(tmp_path, polled({"name": "first"}, {"name": "buoys"}))
    rig.engine.expect({"first": Claim(frozenset({"s0", "s1"}), None)})
    rig.feed(watched(0, 10, columns=("s0", "s1", "s2", "s3")))
    assert rig.engine.sources["buoys"].without_numbers == ("s3",)
    assert set(rig.engine.snapshot.names()) == {"s2"}


def test_a_source_that_begins_to_give_labels_is_said_to_begin_anew_once(tmp_path: Path, caplog) -> None:
    rig = Rig(tmp_path)
    rig.feed(frame(0, 3))
    for first in (3, 6):
        given = frame(first, first + 3)
        keys = pl.lit("ph{lake=") + pl.lit('"') + pl.col("series") + pl.lit('"}')
        rig.feed(replace(given, observations=given.observations.with_columns(series=keys)))
    (said,) = [record for record in caplog.records if "begin anew beside those without" in record.message]
    assert said.series.startswith("ph{lake=")


@pytest.mark.slow
def test_what_two_sources_share_is_said_before_the_start_and_a_prefix_makes_it_two(tmp_path: Path) -> None:
    for name in ("north", "south"):
        (tmp_path / f"{name}.csv").write_text("time,ph,note\n2024-01-01,7,calm\n")
    (tmp_path / "long.csv").write_text("time,series,value\n2024-01-01,ph,7\n2024-01-01,south/ph,7\n")

    def said(*sources: tuple[str, str]) -> list[str]:
        made = [csv_source(tmp_path / f"{name}.csv", prefix=prefix) for name, prefix in sources]
        for source, (name, _) in zip(made, sources, strict=True):
            source.name = source.id = name
        return [line.partition(";")[0] for line in shared_series(made, look_at(made))]

    assert said(("north", ""), ("south", "")) == ["sources north and south both have ph"]
    assert said(("north", ""), ("long", "")) == ["sources north and long both have ph"]
    assert said(("long", ""), ("south", "south/")) == ["sources long and south both have south/ph"]
    assert said(("north", "north/"), ("south", "south/")) == []


def test_a_source_that_does_not_answer_holds_up_the_look_at_the_others_only_so_long() -> None:
    class Hanging(Counting):
        def present_series(self) -> frozenset[str]:
            time.sleep(20)
            return frozenset()

    from sentinel.config import SimulateSource
    from sentinel.domain.clock import Clock

    other = make_source(SimulateSource(kind="simulate", name="drill", system="lake"), Clock())
    began = time.monotonic()
    claims = look_at([Hanging("hangs"), other], 0.5)  # type: ignore[list-item]
    assert time.monotonic() - began < 10
    assert set(claims) == {"drill"}


def test_a_column_without_a_number_is_listed_until_its_first(tmp_path: Path, caplog) -> None:
    rig = Rig(tmp_path, polled({"name": "buoys"}))
    columns = ("s0", "s1", "s2", "s3", "s4")
    rig.feed(watched(0, 10, columns=columns))
    assert rig.engine.sources["buoys"].without_numbers == ("s3", "s4")
    assert rig.count("source_columns_without_numbers", source="buoys") == 2
    rig.feed(watched(10, 11, columns=columns, counting=("rain",), marked={"*": 2}))
    assert rig.engine.sources["buoys"].counting == ("rain",)
    assert rig.engine.sources["buoys"].marked == {"*": 2}
    assert rig.count("observations_marked_total", source="buoys", reason="*") == 2
    assert rig.count("source_counting_columns", source="buoys") == 1
    first = pl.DataFrame([("s3", 11 * HOUR_US, 1.0)], schema=OBSERVATIONS, orient="row")
    rig.feed(watched(11, 12, observations=first, columns=columns))
    assert rig.engine.sources["buoys"].without_numbers == ("s4",)
    assert rig.count("source_columns_without_numbers", source="buoys") == 1
    assert rig.engine.snapshot.view("s3").state is State.LEARNING
    assert rig.engine.snapshot.view("s3").reason is Reason.CADENCE
    said = [record for record in caplog.records if record.message == "no numbers yet"]
    assert [record.columns for record in said] == ["s3, s4"]


def test_the_series_of_a_column_that_turns_out_to_count_is_forgotten_until_it_falls(tmp_path, caplog) -> None:
    """The daemon kept a series of the first 99 values of a total for ever, of which a backtest of the file has none."""
    rig = Rig(tmp_path / "state", polled({"name": "lake"}))
    path, source, cursor = tmp_path / "lake.csv", csv_source(tmp_path / "lake.csv"), None
    lines = [f"2020-01-{1 + n // 24:02d} {n % 24:02d}:00,{n},{min(n, 280 - n)},{n * 7 % 11}\n" for n in range(200)]
    seen = []
    for rows in (60, 99, 130, 140, 150, 200):
        path.write_text("time,total,dawn,ph\n" + "".join(lines[:rows]))
        frames, cursor = follow(source, cursor)
        rig.feed(*frames)
        seen.append(set(rig.engine.snapshot.names()))
    assert seen == [{"total", "dawn", "ph"}] * 2 + [{"ph"}] * 2 + [{"dawn", "ph"}] * 2
    assert rig.engine.snapshot.view("dawn").ticks == rig.engine.snapshot.view("ph").ticks - 99
    told = [record.series for record in caplog.records if record.message == "series is forgotten: its column counts"]
    assert sorted(told) == ["dawn", "total"]
    state = rig.state
    rig.journal.close()
    assert Rig(tmp_path / "state", polled({"name": "lake"})).state == state


def test_a_series_with_a_past_is_not_forgotten_because_its_column_rises_in_a_new_file(tmp_path: Path) -> None:
    rig = Rig(tmp_path, polled({"name": "buoys"}))
    rig.feed(watched(0, 200), watched(200, 210, columns=("s0", "s1"), counting=("s2",)))
    assert "s2" in rig.engine.snapshot.names()
