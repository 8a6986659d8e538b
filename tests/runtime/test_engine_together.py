"""Frames of several sources that wait at the same time: one commit, and the state that each by itself would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from sentinel.domain.observation import OBSERVATIONS, Frame
from tests.pipeline.streams import HOUR_US
from tests.runtime.rig import CHOSEN, VALUES, Rig


def frames_of(t: int, sources: int = 3) -> list[Frame]:
    """One tick of several sources of one series each, with watermarks."""
    rows = [[(f"n{n}", t * HOUR_US + n, float(VALUES[t, n % 3]))] for n in range(sources)]
    return [
        Frame(f"buoy{n}", pl.DataFrame(row, schema=OBSERVATIONS, orient="row"), {"at": t}, watermark_us=t * HOUR_US + n)
        for n, row in enumerate(rows)
    ]


@pytest.mark.slow
def test_frames_of_several_sources_that_wait_are_one_commit_and_give_what_each_by_itself_gives(tmp_path: Path) -> None:
    chosen = CHOSEN | {"series": [{"match": "n0", "counterpart": "n1", "cadence": "1h"}, {"match": "*"}]}
    together, alone = Rig(tmp_path / "together", chosen), Rig(tmp_path / "alone", chosen)
    for t in range(120):
        together.feed(*frames_of(t))
        for each in frames_of(t):
            alone.feed(each)
    assert together.count("commits_total") < 0.4 * alone.count("commits_total")
    assert together.state == alone.state
    assert together.record == alone.record
    assert len(together.record[0]) > 2  # type: ignore[arg-type]
    state, record = together.state, together.record
    together.journal.close()
    again = Rig(tmp_path / "together", chosen)
    assert (again.state, again.record) == (state, record)


def test_a_faulty_frame_among_those_that_wait_is_refused_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.feed(*frames_of(0))
    first, second, third = frames_of(1)
    rig.feed(first, replace(second, cursor={"at": object()}), third)
    assert rig.count("source_fetch_failures_total", source="buoy1") == 1
    assert [batch.source for batch in rig.journal.tail(0) if batch.kind == "observations"] == [
        "buoy0", "buoy1", "buoy2", "buoy0", "buoy2",
    ]  # fmt: skip


def test_of_two_sources_that_bring_the_same_new_series_at_the_same_time_the_first_has_it(tmp_path: Path) -> None:
    sources = [{"kind": "simulate", "name": f"buoy{n}", "system": "ar1"} for n in range(3)]
    rig = Rig(tmp_path, CHOSEN | {"sources": sources})
    first, second, third = frames_of(0)
    rig.feed(first, replace(second, observations=first.observations), third)
    assert [(name, source) for _, name, source in rig.journal.series()] == [("n0", "buoy0"), ("n2", "buoy2")]
    assert rig.count("observations_rejected_total", source="buoy1", reason="foreign_series") == 1
