"""Writes `tests/data/state-0.1.0`: the state folder that the tests of recovery open. Run it with sentinel 0.1.0:

    PYTHONPATH=PATH_OF_SENTINEL_0.1.0 python tests/data/write_state_0_1_0.py FOLDER

Three hourly series, one of them with a counterpart, rules of every kind, a site, alarms that are open, and a fourth
series whose cadence is not known yet. The last checkpoint is followed by batches of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

HOUR_US = 3_600_000_000
CHECKPOINT_AT, END_AT = 260, 300
"""Ticks: the checkpoint's, and the last one in the folder."""
SERIES = ("peter", "paul", "anna", "late")
CHOSEN: dict[str, Any] = {
    "series": [
        {"match": "peter", "cadence": "1h", "reference": "paul", "season": ["24h"]},
        {"match": "late"},
        {"match": "*", "cadence": "1h", "season": ["24h"]},
    ],
    "banks": {
        "default": {
            "half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60, "reference_ticks": 50,
        },
    },
    "alarms": [
        {"threshold": 0.3, "alpha": 0.05},
        {"threshold": "relative", "alpha": 0.05},
        {"kind": "spread", "alpha": 0.01, "severity": "critical"},
        {"kind": "weighted", "alpha": 0.05, "channels": [{"kind": "lag1", "threshold": 0.5}, {"kind": "spread"}]},
    ],
    "sites": [{"name": "shore", "k": 2}],
    "daemon": {"digest_every_ticks": 20},
}  # fmt: skip


def observations(first: int, last: int) -> list[tuple[str, int, float]]:
    """Name, event time and value of the ticks `first` to `last`, in order of time; some are missing."""
    random = np.random.default_rng(10)
    values = random.standard_normal((600, len(SERIES)))
    for t in range(1, len(values)):
        values[t] = np.where(t < 150, 0.4, 0.9) * values[t - 1] + 0.6 * values[t]
    values[:, 0] += values[:, 1]
    values[random.random(values.shape) < 0.05] = np.nan
    values[100:110, 1] = np.nan
    values[:240, 3] = np.nan
    return [
        (name, t * HOUR_US, float(values[t, s]))
        for t in range(first, last) for s, name in enumerate(SERIES) if not np.isnan(values[t, s])
    ]  # fmt: skip


def main(folder: Path) -> None:
    """Write the folder with the program of 0.1.0."""
    import polars as pl
    from sentinel.clock import ManualClock
    from sentinel.configuration import Settings
    from sentinel.engine import Engine
    from sentinel.inbox import Inbox
    from sentinel.observation import OBSERVATIONS, Frame
    from sentinel.tally import Tally

    from sentinel.journal import Journal

    inbox = Inbox(100_000)
    with Journal.open(folder) as journal:
        engine = Engine(Settings.model_validate(CHOSEN), journal, inbox, Tally(), ManualClock(1_000 * HOUR_US), {})
        engine.restore()
        for first in range(0, END_AT, 20):
            rows = observations(first, first + 20)
            inbox.put(
                Frame("buoys", pl.DataFrame(rows, schema=OBSERVATIONS, orient="row"), {"at": first + 20}, rejected={})
            )
            while engine.turn(0.0):
                pass
            if first + 20 == CHECKPOINT_AT:
                engine.checkpoint()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
