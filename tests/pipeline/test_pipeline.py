"""The pipeline: how a stream is cut, ordered, housed or interrupted changes nothing; what cannot be judged is said."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.datasets import co2

import detectors.bank
import sentinel.pipeline.state
from sentinel.config import Settings
from sentinel.domain.states import Reason, State
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.text.claims import sentence_of
from tests.laws import examples
from tests.pipeline.streams import (
    HOUR_US,
    Run,
    ar1,
    batch_of,
    by_series,
    content,
    cut,
    hourly,
    numbered,
    run,
    table,
    through,
)

STATES, REASONS = tuple(State), tuple(Reason)
LOOSE = {"threshold": 0.3, "alpha": 0.1, "at_start": "alarm"}
QUICK = {"default": {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}}
MIXED = Settings.model_validate(
    {
        "series": [
            {"match": "s0", "cadence": "1h", "max_gap": "8h", "range": [-3, 3]},
            {"match": "s1", "cadence": "2h", "aggregate": "mean", "season": ["24h"]},
            {"match": "*", "max_gap": "8h", "stuck_after_ticks": 5},
        ],
        "banks": QUICK,
        "alarms": [LOOSE, {"match": "s[12]", "threshold": 0.5, "alpha": 0.05}],
    }
)
CUTS = st.lists(st.integers(0, 1_000), max_size=6)


def mixed(seed: int, ticks: int = 150) -> Batch:
    """Four series with gaps, ties and faults, two of them from later on, two of a cadence to be learnt."""
    random = np.random.default_rng(seed)
    values = ar1(seed, 0.7, ticks, 4) + np.array([0.0, 50.0, -3.0, 1e6])
    values[random.random(values.shape) < 0.1] = np.nan
    values[60:75, 0] = values[:30, 2] = values[:40, 3] = np.nan
    values[100:110, 3] = 7.0
    values[120:122] = np.nan
    return numbered(batch_of(values))


def everything(outcome: Run) -> tuple[object, ...]:
    return content(outcome.rows), outcome.events, outcome.late, by_series(outcome.state)


@settings(max_examples=examples(8, 12), deadline=None)
@given(st.integers(0, 1_000), CUTS)
def test_cut_into_any_batches_a_stream_gives_bitwise_the_same(seed: int, cuts: list[int]) -> None:
    batch = mixed(seed)
    whole = through(Pipeline(MIXED), [batch])
    pieces = through(Pipeline(MIXED), cut(batch, cuts))
    assert everything(pieces) == everything(whole)
    assert whole.events, "nothing was raised: the streams are too tame to prove anything"


def test_one_observation_at_a_time_gives_bitwise_the_same() -> None:
    batch = mixed(5)
    single = through(Pipeline(MIXED), cut(batch, range(batch.series.size)))
    assert everything(single) == everything(through(Pipeline(MIXED), [batch]))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 500), st.integers(0, 3))
def test_rows_and_alarms_so_far_do_not_change_when_more_data_come(seed: int, known: int, series: int) -> None:
    batch = mixed(seed)
    whole = through(Pipeline(MIXED), [batch], finish=False)
    (first, *_) = cut(batch, [known])
    _, result = Pipeline(MIXED).advance(Pipeline(MIXED).init(), first, rows=True)
    rows = result.rows
    if rows is None:
        return
    mine, all_of_it = rows.series == series, whole.rows.series == series
    for name, column in rows.columns().items():
        prefix = column[mine]
        assert whole.rows.columns()[name][all_of_it][: len(prefix)].tobytes() == prefix.tobytes(), name
    assert set(result.events) <= set(whole.events)


@settings(max_examples=examples(8, 12), deadline=None)
@given(st.integers(0, 1_000), st.permutations(range(4)), st.sampled_from([1, 64, 1 << 15]))
def test_neither_the_order_of_the_series_nor_the_size_of_blocks_matters(
    seed: int, order: Sequence[int], area: int
) -> None:
    batch = mixed(seed)
    others = np.argsort(np.array(order))[batch.series]
    new = tuple((place, batch.new_series[i][1], "source") for place, i in enumerate(order))
    permuted = through(Pipeline(MIXED, area=area), [Batch(others, batch.time_us, batch.value, new, source="source")])
    straight = through(Pipeline(MIXED), [batch])
    assert by_series(permuted.state) == by_series(straight.state)
    assert permuted.events == straight.events
    for i, (_, name, _) in enumerate(new):
        mine = permuted.rows.series == i
        his = straight.rows.series == straight.state.names.index(name)
        for column in set(permuted.rows.columns()) - {"series"}:
            assert permuted.rows.columns()[column][mine].tobytes() == straight.rows.columns()[column][his].tobytes()


@pytest.mark.parametrize("options", [{"threads": 3}, {"cut_every": 7}, {"area": 100}])
def test_threads_and_cuts_do_not_matter(options: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors.bank, "_PER_THREAD", 64)
    values = ar1(1, 0.8, 300, 11)
    chosen = hourly(alarms=[{"threshold": 0.5, "alpha": 0.01, "at_start": "alarm"}])
    assert everything(run(values, chosen, **options)) == everything(run(values, chosen))


@pytest.mark.parametrize("largest", [1, 3])
def test_more_series_than_fit_into_a_cohort_are_the_same_series(largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = ar1(1, 0.8, 200, 8)
    values[:60, 5:] = np.nan
    batch = numbered(batch_of(values))
    expected = through(Pipeline(hourly(banks=QUICK)), [batch])
    monkeypatch.setattr(sentinel.pipeline.state, "LARGEST", largest)
    found = through(Pipeline(hourly(banks=QUICK)), cut(batch, [100, 600]))
    assert len(found.state.keys) == math.ceil(8 / largest)
    assert everything(found) == everything(expected)


def test_the_cadence_is_learnt_from_the_first_50_stamps_and_nothing_is_lost_meanwhile() -> None:
    values = ar1(2, 0.6, 200, 2)
    values[[3, 70], 0] = np.nan
    learning = Settings.model_validate({"banks": QUICK})
    batch = batch_of(values)
    known = through(Pipeline(hourly(banks=QUICK)), [batch])
    learnt = through(Pipeline(learning), [batch])
    assert content(learnt.rows) == content(known.rows)
    (before, after) = cut(batch, [49 * 2 - 1])
    state, result = Pipeline(learning).advance(Pipeline(learning).init(), before, rows=True)
    assert result.rows is None
    assert [state.waiting[i][0].size for i in (0, 1)] == [48, 49]
    state, result = Pipeline(learning).advance(state, after, rows=True)
    assert state.waiting == {}


def test_a_series_of_two_observations_gets_its_cadence_when_the_input_ends() -> None:
    pipeline = Pipeline(Settings())
    batch = Batch(np.zeros(2, np.int64), np.array([0, 7_000_000]), np.array([1.0, 2.0]), ((0, "a", "s"),))
    outcome = through(pipeline, [batch])
    assert outcome.rows.time_us.tolist() == [0, 7_000_000]
    lonely = Batch(np.zeros(1, np.int64), np.array([0]), np.array([1.0]), ((0, "a", "s"),))
    state, result = pipeline.finish(pipeline.advance(pipeline.init(), lonely)[0], rows=True)
    assert result.rows is None
    assert list(state.waiting) == [0]


def states(outcome: Run, series: int = 0) -> list[tuple[State, Reason]]:
    mine = outcome.rows.series == series
    pairs = zip(outcome.rows.state[mine].tolist(), outcome.rows.reason[mine].tolist(), strict=True)
    return [(STATES[state], REASONS[reason]) for state, reason in pairs]


def test_a_constant_series_is_blind_and_never_alarms() -> None:
    values = np.full((3_000, 2), 3.25)
    values[:1_000, 1] = ar1(0, 0.97, 1_000)[:, 0]
    outcome = run(values, hourly(alarms=[{"threshold": r, "alpha": 0.1, "at_start": "alarm"} for r in (-0.9, 0.99)]))
    assert set(states(outcome)[20:]) == {(State.BLIND, Reason.STUCK)}
    assert set(states(outcome, 1)[1_030:]) == {(State.BLIND, Reason.STUCK)}
    assert [e for e in outcome.events if e.series == "s0"] == []
    assert all(e.time_us < 1_022 * HOUR_US for e in outcome.events)
    assert np.isnan(outcome.rows.evidence[outcome.rows.series == 0]).all()


def test_a_coarse_series_is_blind_and_says_why() -> None:
    outcome = run(np.round(ar1(0, 0.5, 600) / 3.0), hourly(alarms=[{"threshold": -0.5, "alpha": 0.1}]))
    assert states(outcome)[-1] == (State.BLIND, Reason.TOO_COARSE)
    assert outcome.events == []


def test_values_out_of_range_are_missing_then_blind_then_forgotten() -> None:
    values = ar1(0, 0.5, 400)
    values[200] = 99.0
    values[250:260] = 99.0
    outcome = run(values, hourly(range=[None, 50], banks=QUICK))
    judged = states(outcome)
    assert judged[200] == (State.WATCHING, Reason.NONE)
    assert judged[251:253] == [(State.WATCHING, Reason.NONE), (State.BLIND, Reason.OUT_OF_RANGE)]
    assert judged[260] == (State.WATCHING, Reason.NONE)
    holed = values.copy()
    holed[200] = holed[250:260] = np.nan
    expected = run(holed, hourly(banks=QUICK))
    assert table(outcome, "residual").tobytes() == table(expected, "residual").tobytes()
    blind = table(outcome, "state")[:, 0] == tuple(State).index(State.BLIND)
    assert np.isnan(outcome.rows.readings[blind]).all(), "a number is not shown while the sensor cannot be judged"
    assert outcome.rows.readings[~blind].tobytes() == expected.rows.readings[~blind].tobytes()


def test_a_gap_is_one_row_ends_the_open_alarm_and_the_series_learns_again() -> None:
    values = ar1(3, 0.95, 1_000)
    values[500:700] = np.nan
    chosen = hourly(alarms=[{"threshold": 0.3, "alpha": 0.01, "at_start": "alarm"}], banks=QUICK, max_gap="100h")
    outcome = run(values, chosen)
    judged = states(outcome)
    assert judged[499][0] is State.WARNING
    assert judged[500] == (State.BLIND, Reason.GAP)
    assert judged[501:551] == [(State.LEARNING, Reason.WARM_UP)] * 50
    assert judged[-1][0] in (State.WATCHING, State.WARNING)
    cleared = [e for e in outcome.events if e.what == "cleared" and e.time_us == 700 * HOUR_US - HOUR_US // 2]
    assert len(cleared) == 1
    assert "after a gap" in sentence_of(cleared[0])
    afresh = run(values[700:], chosen)
    assert outcome.rows.readings[501:].tobytes() == afresh.rows.readings.tobytes()
    assert outcome.rows.evidence[501:].tobytes() == afresh.rows.evidence.tobytes()


def test_missing_ticks_hold_everything_and_show_it() -> None:
    values = ar1(4, 0.6, 300)
    values[200:203] = np.nan
    outcome = run(values, hourly(banks=QUICK))
    held = slice(199, 203)
    for column in ("lag1", "evidence"):
        assert len(set(outcome.rows.columns()[column][held].tolist())) == 1, column
    assert (np.diff(outcome.rows.estimates.lag1_low[held]) < 0.0).all()  # the band widens
    assert (np.diff(outcome.rows.estimates.lag1_high[held]) > 0.0).all()
    assert np.isnan(outcome.rows.value[200:203]).all()
    assert np.isnan(outcome.rows.residual[200:203]).all()
    assert set(states(outcome)[held]) == {(State.WATCHING, Reason.NONE)}


FIXED = [{"threshold": 0.8, "alpha": 1e-4, "at_start": "alarm"}]


def test_not_ready_is_not_a_number() -> None:
    outcome = run(ar1(4, 0.6, 200), hourly(alarms=FIXED))
    judged = [state for state, _ in states(outcome)]
    ready = judged.index(State.WATCHING)
    assert judged[:ready] == [State.LEARNING] * ready
    for column in ("lag1", "lag1_low", "lag1_high", "evidence"):
        values = outcome.rows.columns()[column]
        assert np.isnan(values[:ready]).all(), column
        assert np.isfinite(values[ready:]).all(), column
    assert ready + 1 == 100, "50 points for the level and as many pairs for the bank"


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 100), st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_units_and_offsets_do_not_matter(seed: int, scale: float, shift: float) -> None:
    values = ar1(seed, 0.6, 300)
    one = run(values, hourly(banks=QUICK))
    other = run(scale * values + scale * shift, hourly(banks=QUICK))
    for column in ("residual", "lag1", "lag1_low", "lag1_high"):
        assert other.rows.columns()[column] == pytest.approx(one.rows.columns()[column], abs=1e-9, nan_ok=True)


def test_only_a_series_that_was_seen_before_has_late_observations() -> None:
    pipeline = Pipeline(hourly())
    state, _ = pipeline.advance(pipeline.init(), batch_of(ar1(0, 0.5, 100, 2)))
    again = Batch(np.array([0, 0, 1]), np.array([5, 6, 99]) * HOUR_US + 1, np.zeros(3), source="source")
    state, result = pipeline.advance(state, again)
    assert result.late == {"source": 2}


def test_counts_of_ticks_missing_and_gaps_add_up() -> None:
    values = ar1(0, 0.5, 600, 2)
    values[10:15, 0] = np.nan
    values[100:400, 1] = np.nan
    pipeline = Pipeline(hourly())
    state, first = pipeline.advance(pipeline.init(), batch_of(values))
    state, last = pipeline.finish(state)
    assert first.ticks == {"source": (599 + 599 - 299, 5 + 1, 1)}
    assert last.ticks == {"source": (2, 0, 0)}
    assert pipeline.finish(state)[1].ticks == {}


# What is measured, on seeded streams.


def sine(period: float, ticks: int) -> NDArray[np.float64]:
    """A cycle of 2 standard deviations."""
    return 2.0 * math.sqrt(2.0) * np.sin(2 * np.pi * np.arange(ticks) / period)[:, None]


def test_a_declared_season_is_removed_and_an_undeclared_one_is_seen() -> None:
    values = ar1(1, 0.0, 4_000, 20) + sine(24, 4_000)
    declared = run(values, hourly(season=["24h"], alarms=FIXED))
    assert abs(np.nanmean(table(declared, "lag1")[1_000:])) < 0.05
    assert declared.events == []
    undeclared = run(values, hourly())
    assert np.nanmean(table(undeclared, "lag1")[1_000:]) > 0.4


def test_the_seasonal_rise_of_carbon_dioxide_leaves_learning_and_keeps_to_its_budget() -> None:
    weekly = co2.load_pandas().data["co2"].dropna()
    times = weekly.index.to_numpy().astype("datetime64[us]").astype(np.int64)
    batch = Batch(np.zeros(len(weekly), np.int64), times, weekly.to_numpy(), ((0, "co2", "statsmodels"),))
    outcome = through(Pipeline(Settings.model_validate({"series": [{"season": ["1y"]}]})), [batch])
    assert states(outcome)[-1] == (State.LEARNING, Reason.TOO_SLOW), "said, and not taken for quiet"
    # 44 years of weeks at one false alarm a year, and never more than 1e-3 per tick: two warnings may be false.
    assert len([event for event in outcome.events if event.what == "raised"]) <= 2
    assert {event.severity for event in outcome.events} <= {"warning"}
    assert outcome.state.keys[0][0].cadence_us == 7 * 24 * HOUR_US


@pytest.mark.parametrize("conditioning", [True, False])
@pytest.mark.parametrize("rho", [0.0, *(pytest.param(rho, marks=pytest.mark.slow) for rho in (0.3, 0.5, 0.7)), 0.9])
def test_the_band_covers_the_truth(rho: float, conditioning: bool) -> None:
    outcome = run(ar1(11, rho, 2_500, 60), hourly(), conditioning=conditioning)
    low, high = (table(outcome, column)[300:] for column in ("lag1_low", "lag1_high"))
    by_each = np.mean((low <= rho) & (rho <= high), axis=0)
    half = 1.96 * by_each.std(ddof=1) / math.sqrt(by_each.size)
    print(f"rho {rho}: covered {by_each.mean():.3f} ± {half:.3f}")
    if conditioning:
        assert by_each.mean() >= 0.90
    else:
        assert 0.92 <= by_each.mean() <= 0.98


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_estimate_agrees_with_autoreg_on_average(rho: float) -> None:
    from statsmodels.tsa.ar_model import AutoReg

    half_life, series = 70, 30
    window = round(2 * half_life / math.log(2))  # as many equal weights as the exponential ones are worth
    values = ar1(12, rho, 1_500, series)
    lag1 = table(run(values, hourly()), "lag1")
    ends = range(500, 1_500, window)
    fitted = [[AutoReg(values[t - window : t, s], 1).fit().params[1] for s in range(series)] for t in ends]
    assert lag1[[t - 1 for t in ends]].mean() == pytest.approx(np.mean(fitted), abs=0.03)


def alarms(values: NDArray[np.float64], threshold: float, alpha: float, **changes: object) -> list[tuple[str, int]]:
    """Series and tick of every alarm raised."""
    pipeline = Pipeline(hourly(alarms=[{"threshold": threshold, "alpha": alpha, "at_start": "alarm"}], **changes))
    _, result = pipeline.advance(pipeline.init(), batch_of(values))
    return [(e.series, e.time_us // HOUR_US) for e in result.events if e.what == "raised"]


def upper(count: int) -> float:
    """Upper 95 % bound of an expected count, by Byar's approximation to the Poisson limit."""
    n = count + 1
    return n * (1 - 1 / (9 * n) + 1.96 / (3 * math.sqrt(n))) ** 3


def spiky(values: NDArray[np.float64]) -> NDArray[np.float64]:
    random = np.random.default_rng(1)
    return values + np.where(random.random(values.shape) < 0.01, 8.0, 0.0) * random.choice([-1, 1], values.shape)


def holed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.random.default_rng(2).random(values.shape) < 0.3, np.nan, values)


@pytest.mark.parametrize("phi", [0.5, *(pytest.param(phi, marks=pytest.mark.slow) for phi in (0.0, 0.9))])
def test_false_alarms_at_the_null_stay_within_the_budget(phi: float) -> None:
    found = len(alarms(ar1(21, phi, 5_000, 100), phi, 1e-3))
    print(f"phi {phi}: {found} alarms, budget 500")
    assert upper(found) < 500


@pytest.mark.parametrize("harm", [spiky, holed])
def test_spikes_and_missing_values_stay_within_the_budget(harm: object) -> None:
    found = len(alarms(harm(ar1(22, 0.5, 5_000, 40)), 0.5, 1e-3))  # type: ignore[operator]
    print(f"{found} alarms, budget 200")
    assert upper(found) < 200


@pytest.mark.slow
def test_a_level_step_of_3_sd_rarely_alarms() -> None:
    values = ar1(23, 0.5, 2_500, 200)
    values[2_000:] += 3.0
    alarmed = {series for series, tick in alarms(values, 0.7, 1e-4) if tick >= 2_000}
    print(f"{len(alarmed)} of 200 steps alarmed")
    assert len(alarmed) <= 0.05 * 200


@pytest.mark.parametrize(
    ("harm", "most"), [(lambda values: values, 230), (spiky, 320), (holed, 420)], ids=["plain", "spikes", "missing"]
)
def test_slowing_from_05_to_085_is_found_at_07_in_time(harm: object, most: int) -> None:
    rho = np.where(np.arange(2_500) < 1_500, 0.5, 0.85)
    found = alarms(harm(ar1(24, rho, 2_500, 100)), 0.7, 1e-4)  # type: ignore[operator]
    first: dict[str, int] = {}
    for series, tick in found:
        if tick >= 1_500:
            first.setdefault(series, tick - 1_500)
    delays = [first.get(f"s{i}", 10_000) for i in range(100)]
    print(f"median delay {np.median(delays)}")
    assert np.median(delays) <= most
