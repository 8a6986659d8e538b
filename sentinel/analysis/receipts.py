"""The alarms of a backtest as events: written beside its tables, so that each can be explained later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sentinel.analysis.explaining import explain
from sentinel.analysis.run import Findings
from sentinel.config import Settings, fingerprint
from sentinel.domain.channels import Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import DataError
from sentinel.domain.events import AlarmEvent
from sentinel.domain.observation import NumberAxis
from sentinel.text.claims import body_of
from sentinel.text.explanations import Explanation
from sentinel.text.receipts import Episode, pair

EVENTS_FILE, READINGS_FILE = "events.jsonl", "readings.parquet"
_ON_A_CALENDAR = ("cadence_seconds", "recovery_seconds", "recovery_low_seconds", "recovery_high_seconds", "time_us")
"""Keys without a meaning where times are numbers."""


def write_events(findings: Findings, settings: Settings, out: Path, *, conditioning: bool) -> None:
    """Write the events of series, in order, as JSON lines."""
    records = {record.name: record for record in findings.records}
    used = fingerprint(settings)
    with (out / EVENTS_FILE).open("w", encoding="utf-8") as file:
        for event in findings.events:
            record = records[event.series]
            body = _on_axis(event, record.axis) | {"settings": used, "conditioned": conditioning}
            if record.plan is not None:
                body |= {"half_life_ticks": record.plan.half_life, "seasons_ticks": list(record.plan.seasons)}
            file.write(json.dumps(body, allow_nan=False) + "\n")


def _on_axis(event: AlarmEvent, axis: object) -> dict[str, object]:
    body = body_of(event)
    if isinstance(axis, NumberAxis):
        number = float(axis.numbers(np.array([event.time_us]))[0])
        body |= dict.fromkeys(_ON_A_CALENDAR) | {"time": number}
    return body


def read_alarms(folder: Path) -> list[Episode]:
    """Read the alarms of a backtest's folder, in the order in which they were raised. DataError: it has none."""
    path = folder / EVENTS_FILE
    try:
        return pair(map(json.loads, path.read_text("utf-8").splitlines()))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; the folder that `sentinel backtest` wrote is needed") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no events of a backtest ({type(error).__name__}); run it again") from None


def explain_receipt(folder: Path, raised: Mapping[str, Any]) -> tuple[Explanation | None, str]:
    """Explain an alarm by the readings of its folder; else say what is missing.

    The evidence of readings is that of the rule that has most.
    """
    if raised.get("time_us") is None:
        return None, "times are numbers; the report has the picture"
    if raised.get("half_life_ticks") is None:
        return None, "its cadence was never known"
    path = folder / READINGS_FILE
    try:
        table = pl.scan_parquet(path).filter(pl.col("series") == raised["series"]).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        return None, f"{path} cannot be read ({type(error).__name__})"
    time_us = table["time"].dt.epoch("us").to_numpy()
    until = int(np.searchsorted(time_us, raised["time_us"], side="right"))
    if not until:
        return None, f"{path} has no readings of {raised['series']} up to the alarm"
    table, time_us = table[:until], time_us[:until]
    cadence_us = round((raised.get("cadence_seconds") or 0.0) * MICROSECONDS)
    spans = np.diff(time_us, prepend=time_us[0])
    estimates = Estimates(*(table[name].to_numpy() for name in Estimates._fields))
    return explain(
        time_us + (raised["time_us"] - time_us[-1]), spans > 1.5 * cadence_us, table["value"].to_numpy(),
        table["residual"].to_numpy(), table["evidence"].to_numpy(), estimates, raised["half_life_ticks"], cadence_us,
        tuple(raised["seasons_ticks"]),
    ), ""  # fmt: skip
