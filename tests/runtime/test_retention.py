"""The last ticks of every series that lives stay in the journal, however old; what is gone holds nothing back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pipeline.streams import HOUR_US
from tests.pipeline.test_retiring import act
from tests.runtime.rig import CHOSEN, Rig, frame

TICKS = 50
START = 1_000
"""Hour of the first observation, when the rig's clock begins."""


def settings(**daemon: Any) -> dict[str, Any]:
    return {**CHOSEN, "daemon": {"retention": "1h", "retention_ticks": TICKS, **daemon}}


def feed(rig: Rig, first: int, last: int, *names: str) -> None:
    """One frame every ten hours, of these series."""
    for begin in range(first, last, 10):
        whole = frame(begin, begin + 10)
        table = whole.observations.filter(pl.col("series").is_in(names))
        table = table.with_columns(pl.col("time").dt.offset_by(f"{START}h"))
        rig.clock.set((START + begin + 10) * HOUR_US)
        rig.feed(replace(whole, observations=table))


def forget(rig: Rig) -> dict[str, int]:
    """Let age take what it may; give the first hour of each series that is left."""
    for _ in range(2):
        rig.engine.checkpoint()
    rig.engine._forgetting = True
    while rig.engine._forgetting:
        rig.engine.turn(0.0)
    left = pl.concat(rig.journal.observations())
    first = left.group_by("series").agg(pl.col("time").min().dt.epoch("us") // HOUR_US - START)
    return dict(first.iter_rows())


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [0, TICKS])
def test_the_last_ticks_of_a_series_stay_and_with_them_what_others_sent_since(tmp_path: Path, ticks: int) -> None:
    rig = Rig(tmp_path, settings(retention_ticks=ticks))
    feed(rig, 0, 300, "s0", "s1")
    feed(rig, 300, 340, "s0")
    whole = pl.concat(rig.journal.observations())
    first = forget(rig)
    assert first == ({"s0": 240, "s1": 240} if ticks else {"s0": 330})
    left = pl.concat(rig.journal.observations())
    assert left.equals(whole.filter(pl.col("batch") >= left["batch"].min()))


@pytest.mark.slow
def test_a_series_that_is_silent_for_so_long_holds_nothing_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path, settings())
    feed(rig, 0, 300, "s0", "s1")
    feed(rig, 300, 400, "s0")
    assert forget(rig) == {"s0": 340}


def test_a_series_that_is_retired_holds_nothing_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path, settings())
    feed(rig, 0, 300, "s0", "s1")
    feed(rig, 300, 340, "s0")
    act(rig, "retired", "s1")
    assert forget(rig) == {"s0": 280, "s1": 280}
