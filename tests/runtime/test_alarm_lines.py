"""The line of an alarm on /metrics: the same from its beginning to its end, and said to have ended for an hour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentinel.config import WebSettings
from sentinel.views.prometheus import Exposition
from tests.pipeline.test_renaming import act
from tests.runtime.rig import CHOSEN, Rig, frame

HOUR_US = 3_600_000_000
TABLE = {"kind": "csv", "path": "x.csv"}
BEFORE = CHOSEN | {"sources": [TABLE | {"name": "buoys"}]}


def lines(rig: Rig, **web: Any) -> dict[str, float]:
    """Values of the alarms of s0 by series and source."""
    outbox = rig.engine.outbox
    shown = Exposition(
        lambda: rig.engine.snapshot, rig.metrics, WebSettings(**web), outbox.open_alarms, outbox.just_ended
    )
    found: dict[str, float] = {}
    for line in shown.render()[0].decode().splitlines():
        if line.startswith("sentinel_series_alarm{") and ("s0" in line or "new" in line):
            labels = dict(part.split("=") for part in line[line.index("{") + 1 : line.index("}")].split(","))
            key = f"{labels['source']}/{labels['series']}".replace('"', "")
            assert key not in found
            found[key] = float(line.rsplit(" ", 1)[1])
    return found


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    rig = Rig(tmp_path, BEFORE)
    rig.feed(frame(0, 90))
    assert lines(rig) == {"buoys/s0": 1.0}
    return rig


def started_again(rig: Rig, folder: Path, chosen: dict[str, Any], later_us: int = 0) -> Rig:
    rig.journal.close()
    again = Rig(folder, chosen, restored=False)
    again.clock.set(rig.clock.now_us() + later_us)
    again.engine.restore()
    return again


@pytest.mark.parametrize("action", ["retired", "forgotten"])
def test_an_alarm_whose_series_is_gone_is_shown_as_ended_for_an_hour(rig: Rig, tmp_path: Path, action: str) -> None:
    # Its last value was a 1, which came back with every lost scrape of the next hour.
    act(rig, action, "s0")
    assert lines(rig) == {"buoys/s0": 0.0}
    rig = started_again(rig, tmp_path, BEFORE, HOUR_US // 2)
    assert lines(rig) == {"buoys/s0": 0.0}
    rig.clock.set(rig.clock.now_us() + HOUR_US)
    assert lines(rig) == {}


def test_an_alarm_of_a_rule_that_was_taken_out_over_a_restart_is_shown_as_ended(rig: Rig, tmp_path: Path) -> None:
    rig = started_again(rig, tmp_path, BEFORE | {"alarms": []})
    assert lines(rig) == {"buoys/s0": 0.0}


def test_an_alarm_that_ends_in_a_series_which_is_not_shown_is_shown_as_ended(rig: Rig) -> None:
    assert lines(rig, max_series=1, detailed_series=1)["buoys/s0"] == 1.0
    rig.feed(frame(90, 300))
    assert lines(rig, max_series=1, detailed_series=1)["buoys/s0"] == 0.0


def test_an_open_alarm_keeps_its_line_though_its_series_and_its_source_are_renamed(rig: Rig, tmp_path: Path) -> None:
    # Prometheus ended the old one and Alertmanager heard of both by turns: resolved, firing, once a minute.
    act(rig, "renamed", "s0", "new")
    assert lines(rig) == {"buoys/s0": 1.0}
    rig = started_again(rig, tmp_path, CHOSEN | {"sources": [TABLE | {"name": "sea", "id": "buoys"}]})
    assert lines(rig) == {"buoys/s0": 1.0}
    rig.feed(frame(90, 140))
    assert lines(rig) == {"buoys/s0": 0.0, "sea/new": 0.0}
    rig.clock.set(rig.clock.now_us() + HOUR_US + 1)
    assert lines(rig) == {"sea/new": 0.0}
