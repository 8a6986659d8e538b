"""Killed at any moment, the daemon ends where an uninterrupted one does: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentinel.journal import Journal
from tests.e2e.running import PATIENCE, START_SECONDS, Running, long_csv, observations, wait_for, write_config
from tests.fixtures import digests_of, events_of
from tests.pipeline.streams import ar1

KILLS = 20
TICKS, SERIES = 6_000, 4
CONFIG: dict[str, Any] = {
    "daemon": {"state_dir": "state", "digest_every_ticks": 100, "checkpoint_every": "200ms"},
    "sources": [{"kind": "csv", "name": "lake", "path": "data.csv", "every": "20ms", "max_observations": 400}],
    "series": [{"match": "s0", "cadence": "1h"}],
    "alarms": [{"threshold": 0.5, "alpha": 0.001, "at_start": "alarm"}],
}


def text() -> bytes:
    """Four series that slow down and recover again and again; a gap that empties two of them."""
    values = ar1(20, np.where(np.arange(TICKS) % 600 < 350, 0.9, -0.3), TICKS, SERIES)
    rows = long_csv(values).splitlines(keepends=True)
    gap = {f"s{s}" for s in (1, 3)}
    lines = [line for n, line in enumerate(rows) if not (2_000 < n // SERIES < 2_300 and line.split(",")[1] in gap)]
    return "".join(lines).encode()


def outcome(folder: Path) -> tuple[object, ...]:
    """Observations, series, alarms by id, digests by series and tick."""
    with Journal.open(folder / "state") as journal:
        kept = sorted(
            row for batch in journal.tail(0)
            for row in zip(batch.time_us.tolist(), batch.series.tolist(), batch.value.tolist(), strict=True)
        )  # fmt: skip
        events = {event["id"]: event for event in events_of(journal)}
        assert len(events) == len(events_of(journal))
        return kept, journal.series(), events, digests_of(journal)


def told(folder: Path) -> set[str]:
    lines = (folder / "notifications.jsonl").read_text().splitlines()
    return {json.loads(line)["key"] for line in lines}


@pytest.mark.slow
def test_killed_at_20_random_moments_it_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    data, moments = text(), random.Random(20)
    number = data.count(b"\n") - 1
    folders = straight, killed = tmp_path / "straight", tmp_path / "killed"
    for folder in folders:
        folder.mkdir()
        write_config(folder, **CONFIG)
    (straight / "data.csv").write_bytes(data)
    daemon = Running(straight)
    wait_for(lambda: observations(straight) == number, START_SECONDS, "all observations, uninterrupted")
    daemon.stop()

    written = 0
    progress: list[int] = []
    with (killed / "data.csv").open("wb") as file:
        for n in range(KILLS):
            daemon = Running(killed)
            if n % 5:
                daemon.said("msg=ready ")  # otherwise it may die while it starts
            until = time.monotonic() + moments.uniform(0.05, 1.2)
            while time.monotonic() < until:
                size = moments.randrange(1, 2 * len(data) // (KILLS * 25))
                end = min(written + size, len(data) * (n + 1) // (KILLS + 1))  # something is left for every kill
                file.write(data[written:end])  # mostly ends in the middle of a line
                file.flush()
                written = end
                time.sleep(moments.uniform(0.0, 0.05))
            while n % 5 and time.monotonic() < until + PATIENCE and observations(killed) <= max(progress, default=0):
                time.sleep(0.02)  # a machine with much to do has not come to it yet
            daemon.kill()
            progress.append(observations(killed))
        assert progress == sorted(progress)
        assert len(set(progress)) > KILLS // 2, "it was killed before it did anything"
        assert progress[-1] < number, "it was done before it was killed"
        file.write(data[written:])
    daemon = Running(killed)
    wait_for(lambda: observations(killed) == number, START_SECONDS, "all observations")
    daemon.stop()

    (kept, series, events, digests), expected = outcome(killed), outcome(straight)
    assert kept == expected[0]
    assert series == expected[1]
    assert events == expected[2]
    assert digests == expected[3]
    assert len(events) > 40  # type: ignore[arg-type]
    assert len(digests) > SERIES * TICKS // 110  # type: ignore[arg-type]
    assert told(killed) == told(straight) == events.keys()  # type: ignore[attr-defined]
