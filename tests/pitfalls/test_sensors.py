"""Pitfalls 5.4 to 5.7 and 5.23: what sensors do to a record that has nothing to do with resilience."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sentinel.config import CsvSource
from sentinel.domain.states import Reason, State
from sentinel.pipeline.pipeline import Pipeline
from sentinel.sources import make_source
from tests.pipeline.streams import HOUR_US, ar1, batch_of, hourly, run, table, through
from tests.pitfalls.naive import ac1, filled_linearly
from tests.runtime.rig import Rig

STATES, REASONS = tuple(State), tuple(Reason)
LEARNING, BLIND = STATES.index(State.LEARNING), STATES.index(State.BLIND)
SERIES = 40


def thinned(values: np.ndarray, share: float, longest: int, seed: int) -> np.ndarray:
    """The values with about that share missing, in blocks of 1 to `longest`."""
    random = np.random.default_rng(seed)
    out = values.copy()
    for column in out.T:
        while np.isnan(column).mean() < share:
            first = random.integers(0, column.size)
            column[first : first + random.integers(1, longest + 1)] = np.nan
    return out


@pytest.mark.slow
@pytest.mark.parametrize("longest", [1, 15])
def test_pitfall_5_4_gaps_and_gap_filling_do_not_move_the_estimate(longest: int) -> None:
    values = ar1(504, 0.5, 1_500, SERIES)
    assert np.nanmean(table(run(values), "lag1")[800:]) == pytest.approx(0.5, abs=0.02)
    for share in (0.1, 0.3, 0.5):
        holed = thinned(values, share, longest, 4)
        rows = run(holed).rows
        assert np.nanmean(rows.estimates.lag1[rows.tick > 800]) == pytest.approx(0.5, abs=0.05), share
    assert np.mean(ac1(filled_linearly(holed))) > 0.6, "filling fakes slowing"


def test_pitfall_5_4_without_neighbouring_values_there_is_no_verdict() -> None:
    values = ar1(505, 0.9, 600, 3)
    values[::2] = np.nan
    alone = run(values, hourly(alarms=[{"threshold": 0.3, "alpha": 0.01, "at_start": "alarm"}]))
    assert np.isnan(table(alone, "lag1")).all(), "a pair was formed across a gap"
    assert not alone.events
    assert set(alone.rows.state) <= {LEARNING, BLIND}


def test_pitfall_5_5_nan_text_duplicate_and_late_stamps_are_counted_and_leave_the_state_unharmed(
    tmp_path: Path,
) -> None:
    values = ar1(506, 0.6, 300)[:, 0].tolist()
    clean = [f"1970-01-{1 + t // 24:02d}T{t % 24:02d}:00:00Z,{value!r}" for t, value in enumerate(values)]
    bad = dict(zip(range(40, 280, 40), ["nan", "inf", "-inf", "abc", "", "1e999"], strict=True))
    missing = [line for t, line in enumerate(clean) if t not in bad]
    spoilt = [f"{line.split(',')[0]},{bad[t]}" if t in bad else line for t, line in enumerate(clean)]
    spoilt[100:100] = [clean[99], f"yesterday,{values[0]!r}", "1970-01-04T99:00:00Z,1"]
    after = ["1970-01-02T10:30:00Z,77", clean[299]]  # out of order, and a repetition

    def followed(name: str, *parts: list[str]) -> Rig:
        path = tmp_path / f"{name}.csv"
        rig, cursor = Rig(tmp_path / name), None
        source = make_source(CsvSource(kind="csv", name="buoys", path=str(path), layout="wide"), rig.clock)
        for part in (["time,s0", *parts[0]], *parts[1:]):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n".join([*part, ""]))
            frame = source.fetch(cursor)
            rig.feed(frame)
            cursor = frame.cursor
        return rig

    harmed, whole = followed("spoilt", spoilt, after), followed("missing", missing)
    assert repr(harmed.engine.snapshot.view("s0")) == repr(whole.engine.snapshot.view("s0"))  # NaN equals itself
    assert whole.engine.snapshot.view("s0").estimates.lag1 == pytest.approx(0.6, abs=0.3)
    reasons = ("missing", "not_finite", "not_a_number", "bad_time")
    counted = {r: harmed.count("observations_rejected_total", source="buoys", reason=r) for r in reasons}
    assert sum(counted.values()) == len(bad) + 2
    assert counted["bad_time"] == 2
    assert counted["not_a_number"] == 1
    assert harmed.count("observations_duplicate_total", source="buoys") == 2
    assert harmed.count("observations_late_total", source="buoys") == 1


def test_pitfall_5_6_a_stuck_sensor_is_blind_and_never_slow() -> None:
    values = ar1(507, 0.3, 1_000, SERIES)
    flat = values.copy()
    flat[500:800] = flat[500]
    before, half = (np.mean(ac1(flat[first : first + 100])) for first in (400, 450))
    stuck = run(flat, hourly(alarms=[{"threshold": 0.6, "alpha": 1e-3, "at_start": "alarm"}]))
    assert half > before + 0.1, "half a window of a flat line looks slower"
    reason, state = table(stuck, "reason"), table(stuck, "state")
    assert (state[525:799] == BLIND).all()
    assert (reason[525:799] == REASONS.index(Reason.STUCK)).all()
    assert np.isnan(table(stuck, "lag1")[525:799]).all(), "the verdict is withheld"
    raised = [event.time_us // HOUR_US for event in stuck.events if event.what == "raised"]
    assert not [tick for tick in raised if 500 <= tick <= 900]


def test_pitfall_5_7_spikes_hide_slowing_neither_from_the_estimate_nor_from_the_alarm() -> None:
    rho = np.where(np.arange(1_600) < 800, 0.5, 0.9)
    values = ar1(508, rho, 1_600, SERIES)
    random = np.random.default_rng(8)
    spikes = random.random(values.shape) < 0.01
    values += np.where(spikes, 8.0 * random.choice([-1.0, 1.0], values.shape), 0.0)
    spiky = run(values, hourly(alarms=[{"threshold": 0.6, "alpha": 1e-4, "at_start": "alarm"}]))
    assert np.mean(ac1(values[1_400:])) < 0.65, "the usual estimate is masked"
    assert np.nanmean(table(spiky, "lag1")[1_300:]) == pytest.approx(0.9, abs=0.1)
    raised = {event.series: event.time_us // HOUR_US for event in reversed(spiky.events) if event.what == "raised"}
    assert sum(800 < tick < 1_200 for tick in raised.values()) >= 0.95 * SERIES


def test_pitfall_5_23_every_season_starts_cold_and_a_warm_up_never_alarms() -> None:
    values = ar1(523, 0.9, 5 * 365, SERIES)
    values[(np.arange(values.shape[0]) % 365) >= 150] = np.nan
    settings = hourly(cadence="1d", alarms=[{"threshold": 0.3, "alpha": 1e-2, "at_start": "alarm"}])
    restarted = through(Pipeline(settings), [batch_of(values, cadence_us=24 * HOUR_US)])
    state, tick = table(restarted, "state"), table(restarted, "tick")
    assert np.array_equal(tick[:, 0], tick[:, 1])
    for year in range(5):
        opening = (tick[:, 0] >= 365 * year) & (tick[:, 0] < 365 * year + 69)
        assert opening.sum() >= 68
        assert (state[opening] == LEARNING).all(), "the warm-up is visible"
        assert (state[tick[:, 0] == 365 * year + 140] != LEARNING).all()
    ready_from = 70
    raised = [event.time_us // (24 * HOUR_US) % 365 for event in restarted.events if event.what == "raised"]
    assert len(raised) > SERIES, "the rule is easy: it alarms as soon as it may"
    assert min(raised) >= ready_from
