"""The bars of the default alarm, on development seeds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.skill.development import ANYWHERE, WHOLE
from tests.studies.slower.measured import ALPHAS, FAILS, RIVERS, raised, rivers, rules, scenarios, skill, textbook
from tests.studies.trust.effort import generator
from tests.studies.trust.interval import rate

BARS = {
    (WHOLE, 1e-4): (0.90, 0.25), (ANYWHERE, 1e-4): (0.75, 0.15),
    (WHOLE, 1e-3): (0.98, 0.45), (ANYWHERE, 1e-3): (0.92, 0.38),
}  # fmt: skip
"""Warned, and way left."""
SERIES, TICKS = 100, 10_000


@pytest.mark.slow
def test_systems_that_tip_are_warned_as_early_as_the_bars_ask() -> None:
    found = skill()
    for key, (warned, left) in BARS.items():
        print(f"{key[0]}, alpha {key[1]:g}: warned {found[key].warned:.3f}, way left {found[key].left:.3f}")
        assert found[key].warned >= warned
        assert found[key].left >= left


@pytest.mark.slow
def test_what_does_not_slow_down_keeps_to_the_budget() -> None:
    together = dict.fromkeys(ALPHAS, 0)
    ticks = 0
    for name, make, declared, factor in scenarios():
        shape = TICKS, round(SERIES * factor)
        found = raised(np.asarray(make(generator(name), shape)), rules(), **declared)
        ticks += shape[0] * shape[1]
        for alpha, severity in zip(ALPHAS, ("warning", "critical"), strict=True):
            counts = np.bincount([series for series, its, _ in found if its == severity], minlength=shape[1])
            spent = rate(counts, shape[0] * shape[1])
            share, low = spent.value / (alpha * 1e4), spent.low / (alpha * 1e4)
            if share > 0.6:
                print(f"{name}, alpha {alpha:g}: {share:.2f} of the budget")
            together[alpha] += int(counts.sum())
            assert low <= FAILS.get(name, 1.0), name
    for alpha, count in together.items():
        print(f"all, alpha {alpha:g}: {count / (alpha * ticks):.3f} of the budget")
        assert count <= 0.6 * alpha * ticks


@pytest.mark.slow
@pytest.mark.skipif(not RIVERS.is_dir(), reason="the rivers are not here: set SENTINEL_TEST_DATA")
def test_quiet_rivers_are_left_in_peace() -> None:
    found = rivers()
    print(found)
    assert found["warning"].alarms_a_year <= 1.0
    assert found["warning"].open <= 0.05
    assert found["critical"].open <= 0.01
    assert found["warning"].judged >= 0.80


def test_a_textbook_record_is_warned_long_before_its_end() -> None:
    found = textbook()
    print(found)
    assert found["critical"]["found"] >= 38
    assert found["critical"]["median lead"] >= 150
    assert found["critical"]["controls alarmed"] <= 4
