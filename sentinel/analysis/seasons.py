"""Looks back over what was written of a series: is there a season that nobody declared?"""

from __future__ import annotations

import polars as pl

from sentinel.analysis.readings import Readings
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.season import LONGEST_RECORD, Proposal, on_grid, propose
from sentinel.domain.axis import NumberAxis


def undeclared_seasons(record: SeriesRecord, readings: Readings) -> tuple[Proposal, ...]:
    """Seasons of the last 200,000 rows of a series that its plan does not take out and its level does not follow."""
    plan = record.plan
    if plan is None or not plan.conditioning or plan.paired:  # a target says it for both
        return ()
    own = readings.lazy().filter(pl.col("series") == record.name).select("time", "value").tail(LONGEST_RECORD)
    table = own.collect(engine="streaming").filter(pl.col("value").is_not_nan())
    if table.is_empty():
        return ()
    time = table["time"].to_numpy() if record.axis.numbered else table["time"].cast(pl.Int64).to_numpy()
    time_us = record.axis.microseconds(time) if isinstance(record.axis, NumberAxis) else time
    declared = [round(ticks * plan.cadence_us) for ticks in plan.seasons]
    found = propose(on_grid(time_us, table["value"].to_numpy(), plan.cadence_us), plan.cadence_us, declared)
    return tuple(season for season in found if not season.followed(plan.level_half_life))
