"""A source followed from cursor to cursor, each frame held to the contract; and small tables to follow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sentinel.config import CsvSource
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame, Rejection
from sentinel.simulate import DAY_US, EPOCH_2020_US
from sentinel.sources import PullSource, make_source
from tests.fixtures import ManualClock

NOW_US = EPOCH_2020_US + 10_000 * DAY_US
SECOND_US = 1_000_000


def csv_source(path: Path, **settings) -> PullSource:
    source = make_source(CsvSource(kind="csv", name="lake", path=str(path), **settings), ManualClock(NOW_US))
    assert isinstance(source, PullSource)
    return source


def through_json(cursor: Cursor) -> Cursor:
    """As the journal keeps it."""
    return json.loads(json.dumps(cursor, allow_nan=False))


def follow(source: PullSource, cursor: Cursor | None = None) -> tuple[list[Frame], Cursor]:
    """All frames until the source has no more, each cursor taken through JSON, each frame held to the contract."""
    frames: list[Frame] = []
    while True:
        frame = source.fetch(cursor)
        assert_frame(frame, source.name)
        frames.append(frame)
        cursor = through_json(frame.cursor)
        assert cursor == frame.cursor
        if not frame.more:
            return frames, cursor


def assert_frame(frame: Frame, name: str) -> None:
    assert frame.source == name
    assert frame.observations.schema == OBSERVATIONS
    assert sum(frame.observations.null_count().row(0)) == 0
    assert frame.observations["value"].is_finite().all()
    assert frame.observations["time"].is_sorted()
    assert frame.more == (frame.watermark_us is None)
    assert set(frame.rejected) <= set(Rejection.ALL)
    assert all(count > 0 for count in frame.rejected.values())
    assert len(frame.complaints) <= 10


def rows(frames: list[Frame]) -> list[tuple[str, float]]:
    return [(series, value) for frame in frames for series, _, value in frame.observations.iter_rows()]


def values(frames: list[Frame]) -> list[float]:
    return [value for _, value in rows(frames)]


def without_counting(told: list[tuple[str, float]], frames: list[Frame]) -> list[tuple[str, float]]:
    """What is left of all values so far: the daemon forgets the series of columns that turn out to count."""
    for frame in frames:
        told = [one for one in [*told, *rows([frame])] if one[0] not in frame.counting]
    return told


def line(n: int) -> str:
    return f"{np.datetime64(EPOCH_2020_US + n * SECOND_US, 'us')},{n}\n"


def table(ns) -> str:
    return "time,n\n" + "".join(line(n) for n in ns)
