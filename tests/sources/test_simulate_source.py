"""What the source `simulate` promises besides the contract of every source."""

from __future__ import annotations

import numpy as np
import pytest

from sentinel.config import SimulateSource
from sentinel.domain.errors import ConfigError
from sentinel.domain.spans import Cadence
from sentinel.simulate import DAY_US, EPOCH_2020_US, MODELS, SYSTEMS, simulate
from sentinel.sources.simulate import Playback
from tests.fixtures import ManualClock
from tests.sources.following import NOW_US, SECOND_US, follow, through_json, values


class Watch:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def playback(watch: Watch | None = None, now_us: int = NOW_US, **settings) -> Playback:
    wanted = {"kind": "simulate", "name": "lake", "system": "lake"} | settings
    return Playback(SimulateSource(**wanted), ManualClock(now_us), watch or Watch())


def test_time_is_accelerated_by_the_sources_own_clock(tmp_path):
    watch = Watch()
    source = playback(watch, ticks_per_second=100.0, start="2020-01-01", seed=3)
    assert source.fetch(None).observations.is_empty()
    assert source.fetch(None).watermark_us == EPOCH_2020_US - 1
    cursor = source.fetch(None).cursor
    told = []
    for seconds, ticks in ((0.5, 50), (0.004, 0), (0.008, 1), (2.0, 200), (1e9, 1_549), (1.0, 0)):
        watch.seconds += seconds
        frame = source.fetch(cursor)
        assert frame.observations.height == ticks
        told += frame.observations["value"].to_list()
        cursor = through_json(frame.cursor)
        # The last tick told is over, by the source's clock, and the next has not begun.
        last_us = EPOCH_2020_US + (len(told) - 1) * DAY_US
        assert last_us + DAY_US // 2 <= frame.watermark_us < last_us + DAY_US
    assert told == simulate("lake", 3).values.tolist()


def test_a_restart_goes_on_where_the_cursor_says_with_the_same_values():
    whole = simulate("lake", 7).values.tolist()
    told, cursor = [], None
    for seconds in (0.305, 0.705, 0.115):
        watch = Watch()
        source = playback(watch, ticks_per_second=100.0, seed=7)  # a new process
        cursor = through_json(source.fetch(cursor).cursor)
        watch.seconds += seconds
        frame = source.fetch(cursor)
        told += frame.observations["value"].to_list()
        cursor = through_json(frame.cursor)
    assert told == whole[: 30 + 70 + 11]


def test_in_real_time_there_is_one_tick_per_cadence_from_the_start_on():
    source = playback(
        system="ar1", start="2020-01-01", cadence="1h", now_us=EPOCH_2020_US + 90 * 60 * SECOND_US, series="s"
    )
    frame = source.fetch(None)
    assert frame.observations["time"].dt.epoch("us").to_list() == [EPOCH_2020_US, EPOCH_2020_US + 3_600 * SECOND_US]
    assert set(frame.observations["series"]) == {"s"}
    assert playback(system="ar1", start="2021-01-01", now_us=EPOCH_2020_US).fetch(None).observations.is_empty()


def test_calendar_cadences_keep_to_the_calendar():
    source = playback(
        system="ar1", start="2020-01-31", cadence="1mo", ticks=14, ticks_per_second=1e6, watch=(watch := Watch())
    )
    cursor = source.fetch(None).cursor
    watch.seconds += 1
    times = source.fetch(cursor).observations["time"].dt.strftime("%Y-%m-%d").to_list()
    assert times[:4] == ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30"]
    assert times[-1] == "2021-02-28"


@pytest.mark.parametrize("name", ["co2", "elnino", "nile", "sunspots"])
def test_recorded_series_are_played_with_their_own_times_and_their_missing_values_counted(name):
    frames, _ = follow(playback(system=name))
    real = simulate(name)
    finite = np.isfinite(real.values)
    assert values(frames) == real.values[finite].tolist()
    assert frames[0].observations["time"].dt.epoch("us").to_list() == real.times_us[finite].tolist()
    assert sum(frame.rejected.get("missing", 0) for frame in frames) == (~finite).sum()


def test_a_backlog_comes_in_bounded_frames(monkeypatch):
    monkeypatch.setattr("sentinel.sources.simulate.MOST_PER_FETCH", 1_000)
    frames, _ = follow(playback(system="ar1", start="2020-01-01", ticks=3_500))
    assert [frame.observations.height for frame in frames] == [1_000, 1_000, 1_000, 500]


def test_an_unknown_system_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(ConfigError, match=f"system: 'pond'; allowed systems are {', '.join(SYSTEMS)}"):
        playback(system="pond")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name.removesuffix("_control") in MODELS else ()) for name in SYSTEMS],
)
def test_every_system_is_played_by_its_name(name):
    source = playback(system=name, start="2020-01-01", ticks=20)
    frames, _ = follow(source)
    told = simulate(name, ticks=20).values
    assert values(frames) == told[np.isfinite(told)].tolist()


def test_every_system_says_its_cadence_in_a_form_that_settings_allow():
    for system in SYSTEMS.values():
        assert str(Cadence.parse(system.cadence)) == system.cadence
