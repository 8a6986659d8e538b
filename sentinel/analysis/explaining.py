"""An alarm against the record it came from: since when evidence gathered, both sides, and what else looks like it.

Everything rests on ticks up to the alarm only. The search for other explanations looks back over the stretch that the
alarm is about, so it is exploratory: it has no budget, and finding nothing excludes nothing. The alarms of a backtest
are written beside its tables, so that each can be explained later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sentinel.analysis.remarks import find_cycle, find_level_shift
from sentinel.analysis.run import Findings
from sentinel.config import Settings, fingerprint
from sentinel.domain.channels import Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import DataError
from sentinel.domain.events import AlarmEvent
from sentinel.domain.observation import NumberAxis
from sentinel.domain.spans import duration_in_words, moment_in_words
from sentinel.pipeline.arrays import Flags, Floats, Ints
from sentinel.text.claims import body_of
from sentinel.text.explanations import Explanation, Lookalike, Side
from sentinel.text.receipts import Episode, pair

BEGUN = -2.0
"""log10 of the share of the alarm line below which evidence has not begun to gather: 1/100."""
BEFORE_HALF_LIVES = 10.0
"""Stretch before the gathering that is the other side, in half-lives of the instrument."""
FEWEST = 60
"""Values below which nothing is said of another explanation."""
QUIETER = 0.8
"""Share of its former variance below which the residual counts as quieter."""

EVENTS_FILE, READINGS_FILE = "events.jsonl", "readings.parquet"
_ON_A_CALENDAR = ("cadence_seconds", "recovery_seconds", "recovery_low_seconds", "recovery_high_seconds", "time_us")
"""Keys without a meaning where times are numbers."""


def explain(
    end_us: Ints, gap: Flags, value: Floats, residual: Floats, evidence: Floats,
    estimates: Estimates[Floats], half_life: float, cadence_us: int, seasons: tuple[float, ...] = (),
) -> Explanation:  # fmt: skip
    """Explain the alarm at the last of these ticks.

    Arrays of equal length, one entry a tick. `evidence` of the alarm's rule as log10 of its share of the alarm line;
    `half_life` and the declared `seasons` in ticks.
    """
    gaps = np.flatnonzero(gap)
    first = int(gaps[-1]) + 1 if gaps.size and gaps[-1] + 1 < end_us.size else 0
    calm = np.flatnonzero(~(evidence > BEGUN))
    calm = calm[(calm >= first) & (calm < end_us.size - 1)]
    begun = int(calm[-1]) if calm.size else first
    from_ = max(first, begun + 1 - round(BEFORE_HALF_LIVES * half_life))

    def side(start: int, stop: int) -> Side:
        values, residuals = value[start:stop], residual[start:stop]
        known, judged = values[~np.isnan(values)], residuals[~np.isnan(residuals)]
        return Side(
            int(end_us[start]), int(end_us[stop - 1]), stop - start, known.size,
            float(known.mean()) if known.size else np.nan, float(known.std()) if known.size else np.nan,
            float((judged**2).mean()) if judged.size else np.nan,
            Estimates(*(float(array[stop - 1]) for array in estimates)),
        )  # fmt: skip

    before = side(from_, begun + 1) if calm.size and begun + 1 > from_ else None
    since = side(begun + 1 if calm.size else first, end_us.size)
    own = value[first:]
    return Explanation(
        int(end_us[first]), int(end_us[-1]), own.size, int((~np.isnan(own)).sum()), int(gaps.size),
        int(end_us[begun]), end_us.size - 1 - begun, before, since,
        tuple(_look(value[from_:], end_us[from_:], before, since, cadence_us, seasons)),
    )  # fmt: skip


def _look(
    value: Floats, end_us: Ints, before: Side | None, since: Side, cadence_us: int,
    seasons: tuple[float, ...],
) -> list[Lookalike]:  # fmt: skip
    """Look for what else raises lag 1, over both sides together."""
    few = int((~np.isnan(value)).sum()) < FEWEST
    too_few = f"cannot be told: under {FEWEST} values"
    shift = None if few else find_level_shift(value)
    period = None if few else find_cycle(value)
    if period is not None and any(abs(season / period - round(season / period)) <= 0.1 for season in seasons):
        period = None  # a declared season, or a part of it
    return [
        Lookalike(
            "level shift", None if few else shift is not None,
            too_few if few else "none found" if shift is None else
            f"one describes these values best: around {shift.before:.4g} before, around {shift.after:.4g} from "
            f"{moment_in_words(int(end_us[shift.at]))} on",
        ),
        _quieter(before, since),
        Lookalike(
            "undeclared season", None if few else period is not None,
            too_few if few else "none found" if period is None else
            f"a cycle of about {period:.3g} ticks = {duration_in_words(period * cadence_us / MICROSECONDS)}",
        ),
    ]  # fmt: skip


def _quieter(before: Side | None, since: Side) -> Lookalike:
    """Hold the variance against that before: slowing by itself raises it, a quieter sensor lowers it."""
    name = "quieter sensor"
    if before is None or not (before.residual_variance > 0.0 and since.residual_variance >= 0.0):
        return Lookalike(name, None, "cannot be told: nothing lies before")
    if min(before.values, since.values) < FEWEST:
        return Lookalike(name, None, f"cannot be told: under {FEWEST} values on one side")
    ratio = since.residual_variance / before.residual_variance
    found = ratio < QUIETER
    return Lookalike(
        name, found,
        f"the residual's variance is {ratio:.2g} times that before; slowing by itself raises it"
        + (", noise that has become less lowers it and raises lag 1" if found else ""),
    )  # fmt: skip


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
