"""How soon the default alarm sees a return rate that is halved: the tables are read as they are measured."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.halving import ALPHAS, RECOVERY, delay, record
from tests.studies.slower.halving import delays

TIMES = st.floats(RECOVERY[0], RECOVERY[-1])


@given(TIMES, st.floats(1e-8, 0.1), st.floats(1.0, 100.0))
def test_a_smaller_budget_never_sees_sooner_nor_needs_less(recovery: float, alpha: float, factor: float) -> None:
    for of in (delay, record):
        assert 0.0 < of(recovery, alpha) <= of(recovery, alpha / factor) < np.inf


@given(TIMES)
def test_beyond_the_table_its_edge_is_given(recovery: float) -> None:
    assert delay(recovery, 1e-9) == delay(recovery, ALPHAS[-1])
    assert delay(recovery, 0.1) == delay(recovery, ALPHAS[0])


def test_between_two_recovery_times_there_is_no_jump() -> None:
    for recovery in RECOVERY[1:-1]:
        assert delay(recovery * 1.0001, 1e-4) == pytest.approx(delay(recovery, 1e-4), rel=1e-3)
    ticks = [record(recovery, 1e-4) for recovery in RECOVERY[1:]]
    assert all(one < other for one, other in pairwise(ticks))  # in ticks a slow series needs a longer record


def test_the_page_has_the_numbers_of_the_tables() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "slower.md").read_text(encoding="utf-8")
    for ticks in (1, 8, 64):
        cells = [f"{delay(ticks, alpha):,.0f} / {record(ticks, alpha):,.0f}" for alpha in ALPHAS]
        assert f"| {ticks} tick{'s' if ticks > 1 else ''} | {' | '.join(cells)} |" in page


@pytest.mark.slow
def test_a_row_that_is_measured_again_is_that_of_the_table() -> None:
    found = delays(4.0)
    assert found == pytest.approx([delay(4.0, alpha) for alpha in ALPHAS], rel=0.06)  # two digits are kept
