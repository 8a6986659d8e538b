"""Two lakes as a table, and the columns of the readings, for tests of the scientist's door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from sentinel.domain.channels import Estimates

ALWAYS = ("lag1", "lag1_low", "lag1_high", "modulus", "period", "spread", "criticality")
"""Estimates that tables have had since 0.1.0, in this order; later ones follow them."""
assert Estimates._fields[: len(ALWAYS)] == ALWAYS
COLUMNS = [
    "series", "time", "value", "residual", "state", *Estimates._fields, "evidence",
    "recovery", "recovery_low", "recovery_high", "cv", "flag", "check",
]  # fmt: skip


def slowing(ticks: int = 900, seed: int = 3) -> np.ndarray:
    """A series that recovers ever more slowly."""
    noise = np.random.default_rng(seed).normal(size=ticks)
    value = np.zeros(ticks)
    for tick, rho in enumerate(np.linspace(0.2, 2.0, ticks).clip(max=0.99)[1:], 1):
        value[tick] = rho * value[tick - 1] + noise[tick]
    return value


def lakes(ticks: int = 900) -> pl.DataFrame:
    """Two lakes, wide, daily: one is loaded, one is not."""
    quiet = 0.5 * np.random.default_rng(7).normal(size=ticks) + 7
    days = pl.datetime_range(
        datetime(2019, 1, 1, tzinfo=UTC), interval="1h", end=datetime(2030, 1, 1, tzinfo=UTC), eager=True
    )
    time = days.head(ticks).dt.cast_time_unit("us")
    return pl.DataFrame({"time": time, "loaded": slowing(ticks), "control": quiet})


@contextmanager
def without_pictures() -> Iterator[None]:
    """Reports that draw no series, which takes ten times as long as the analysis: for the laws of tables and words.

    Only series that are drawn are looked back at: no undeclared season is sought, and no kind of record named.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentinel.analysis.assembling.PICTURES", 0)
        yield
