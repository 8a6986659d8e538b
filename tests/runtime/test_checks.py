"""Checks in a running daemon: what they keep out is counted by reason, survives a restart, and stays in the journal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentinel.config import WebSettings
from sentinel.text.checks import checks_in_words
from sentinel.views.prometheus import Exposition
from tests.runtime.rig import CHOSEN, VALUES, Rig, frame

CHECKS = {"range": {"fail": [-50, 50]}, "spike": {"suspect": 15}}
CHECKED = CHOSEN | {"series": [{"match": "s0", "cadence": "1h", "checks": CHECKS}, {"match": "*"}]}
FAULTY = VALUES.copy()
FAULTY[100:104, 0], FAULTY[[150, 160, 170], 0] = 99.0, [20.0, 22.0, 21.0]


@pytest.mark.slow
def test_what_fails_is_counted_by_reason_kept_in_the_journal_and_outlives_a_restart(tmp_path: Path) -> None:
    rig = Rig(tmp_path, CHECKED)
    rig.feed(frame(0, 102, FAULTY))
    rig.engine.checkpoint()
    rig.feed(frame(102, 160, FAULTY))
    rig.journal.close()
    again = Rig(tmp_path, CHECKED)
    again.feed(frame(160, 200, FAULTY))
    view = again.engine.snapshot.view("s0")
    assert checks_in_words(view.checks) == "4 values failed a check: 4 range; 3 values suspect: 3 spike"
    assert view.missing_ticks == 4
    assert again.engine.snapshot.view("s1").checks == ()
    shown = Exposition(lambda: again.engine.snapshot, again.metrics, WebSettings()).render()[0].decode()
    assert 'sentinel_failed_values{reason="range",source="buoys"} 4.0' in shown
    assert 'sentinel_suspect_values{reason="spike",source="buoys"} 3.0' in shown
    kept = pl.concat(again.journal.observations("s0"))
    assert np.array_equal(kept["value"].to_numpy(), FAULTY[:200, 0])
    whole = Rig(tmp_path / "whole", CHECKED)
    whole.feed(frame(0, 200, FAULTY))
    assert whole.state == again.state
