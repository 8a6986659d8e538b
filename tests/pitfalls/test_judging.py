"""Pitfalls 5.1, 5.3, 5.12, 5.13, 5.20 and 5.22: how a record is judged, over time and over many series."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import kendalltau

from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.results import Rows
from tests.pipeline.streams import HOUR_US, Floats, Run, ar1, batch_of, content, cut, hourly, run, table, through
from tests.pitfalls.naive import ac1, rolling_ac1, smoothed

BUDGETED = [{"threshold": 0.5, "alpha": 1e-3, "at_start": "alarm"}]


def raised(found: Run) -> list[tuple[str, int]]:
    return [(event.series, event.time_us // HOUR_US) for event in found.events if event.what == "raised"]


def test_pitfall_5_1_nothing_looks_ahead_however_the_stream_is_cut_or_interrupted() -> None:
    values = ar1(501, np.linspace(0.3, 0.9, 440), 440)
    naive = [rolling_ac1(v - smoothed(v, 40.0), 150)[150] for v in (values[:300, 0], values[:, 0])]
    assert abs(naive[0] - naive[1]) > 0.005, "a smoother of the whole record changes the past"

    settings = hourly(alarms=BUDGETED)
    batch = batch_of(values)
    whole = through(Pipeline(settings), [batch])
    early = run(values[:300], settings)
    for name, column in early.rows.columns().items():
        assert column.tobytes() == whole.rows.columns()[name][:300].tobytes(), name
    single = through(Pipeline(settings), cut(batch, range(440)))
    first, second = cut(batch, [300])
    before = through(Pipeline(settings), [first], finish=False)
    arrays, header = to_arrays(before.state)
    after = through(Pipeline(settings), [second], state=from_arrays(Pipeline(settings), arrays, header))
    joined = Rows.join([before.rows, after.rows])
    assert joined is not None
    assert content(single.rows) == content(whole.rows) == content(joined)
    assert repr(single.events) == repr(whole.events) == repr(before.events + after.events)  # NaN equals itself
    assert whole.events


def test_pitfall_5_3_the_realised_false_alarm_rate_is_within_its_budget_where_tau_is_significant() -> None:
    alpha, series, ticks = 1e-3, 60, 1_500
    significant, count = [], 0
    for phi in (0.0, 0.3, 0.5, 0.7, 0.9, 0.97):
        values = ar1(503, phi, ticks, series)
        count += len(
            raised(run(values, hourly(alarms=[{"threshold": max(phi, 0.01), "alpha": alpha, "at_start": "alarm"}])))
        )
        short = rolling_ac1(values[:500, 0], 250)
        significant.append(kendalltau(np.arange(short.size), short).pvalue < 0.05)
    assert np.mean(significant) > 0.8, "the usual test calls stationary series significant"
    budget = alpha * 6 * series * ticks
    upper = count + 1.645 * np.sqrt(count) + 1.35
    assert 0 < upper < budget, f"{count} alarms at the threshold itself, budget {budget:g}"


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_pitfall_5_12_the_estimate_is_not_biased_by_a_short_memory_and_its_band_covers_the_truth(phi: float) -> None:
    values = ar1(512, phi, 700, 200)
    assert np.mean(ac1(values[-20:])) < phi - 0.1, "a window of 20 reads too low"
    for half_life in (20, 40, 70):
        found = run(values, hourly(banks={"default": {"half_life": f"{half_life} ticks"}}))
        lag1, low, high = (table(found, name)[400::50] for name in ("lag1", "lag1_low", "lag1_high"))
        assert np.median(lag1) == pytest.approx(phi, abs=0.03), half_life
        assert np.mean((low <= phi) & (phi <= high)) > 0.9, half_life


def test_pitfall_5_12_a_memory_or_a_warm_up_too_short_to_judge_by_is_refused() -> None:
    for key, value, said in (("half_life", "2 ticks", "3 to 100000"), ("warm_up_ticks", 19, "greater than or equal")):
        with pytest.raises(ValidationError, match=said):
            hourly(banks={"default": {key: value}})


def test_pitfall_5_13_the_verdict_does_not_depend_on_the_level_tracker_over_a_factor_of_four() -> None:
    ramp = np.interp(np.arange(1_500), [0, 300, 1_100], [0.4, 0.4, 0.97])
    miss = 0.4 + 0.35 * np.sin(np.arange(1_500) / 1_500 * np.pi)
    jump = np.where(np.arange(1_500) < 700, 0.4, 0.97)
    rhos = {"white": 0.0, "short": 0.5, "slow": 0.75, "near miss": miss, "slowing": ramp, "jump": jump}
    expected = {name: name in ("slowing", "jump") for name in rhos}
    naive = {}
    for level in (15, 30, 60):
        bank = {"default": {"level_half_life": f"{level} ticks"}}
        for name, rho in rhos.items():
            values = ar1(513, rho, 1_500, 20)
            found = run(values, hourly(alarms=[{"threshold": 0.85, "alpha": 1e-4, "at_start": "alarm"}], banks=bank))
            share = len({series for series, _ in raised(found)}) / 20
            assert share >= 0.9 if expected[name] else share == 0.0, (name, level)
        slow = ar1(513, 0.75, 1_500, 1)[-300:, 0]
        naive[level] = ac1((slow - smoothed(slow, level / 3))[:, None])[0]
    assert max(naive.values()) - min(naive.values()) > 0.1, "the usual estimate moves with the span of its smoother"


def family_alarms(values: Floats, shared_by: int) -> int:
    """Alarms of all series where `shared_by` of them spend one budget, with a restart in the middle."""
    rule = {"threshold": 0.5, "alpha": 2e-2, "at_start": "alarm", "shared_by": shared_by, "clear": 0.1}
    first, second = cut(batch_of(values), [values.size // 2])
    settings = hourly(alarms=[rule])
    before = through(Pipeline(settings), [first], finish=False)
    again = Pipeline(settings)
    after = through(again, [second], state=from_arrays(again, *to_arrays(before.state)))
    return len(raised(before)) + len(raised(after))


def test_pitfall_5_20_the_budget_of_a_family_is_held_for_1_10_and_100_series_before_and_after_a_restart() -> None:
    ticks = 1_200
    values = ar1(520, 0.5, ticks, 200)
    for family in (1, 10, 100):
        budget = 2e-2 * ticks * values.shape[1] / family
        count = family_alarms(values, shared_by=family)
        assert count + 1.645 * np.sqrt(count) + 1.35 < budget, family
        assert count > 0 or budget < 100, "a rule that never alarms proves nothing"
    assert family_alarms(values, shared_by=1) > 10 * budget, "each series with the budget of all"


def test_pitfall_5_22_an_alarm_is_one_episode_that_clears() -> None:
    rho = np.where(np.arange(3_000) % 1_500 < 750, 0.5, 0.9)
    found = run(ar1(522, rho, 3_000, 20), hourly(alarms=[{"threshold": 0.7, "alpha": 1e-4, "at_start": "alarm"}]))
    lag1 = table(found, "lag1")
    crossings = (np.diff(np.sign(lag1[200:] - 0.7), axis=0) > 0).sum() / 20
    assert crossings > 6, "an alarm on the reading itself would chatter"
    for name in (f"s{i}" for i in range(20)):
        story = [(event.what, event.time_us // HOUR_US) for event in found.events if event.series == name]
        assert [what for what, _ in story] == ["raised", "cleared", "raised", "cleared"][: len(story)]
        assert len(story) >= 3, "two slow spells are two episodes"
        assert 750 <= story[0][1] < 1_500 <= story[1][1] < 2_250 <= story[2][1]
