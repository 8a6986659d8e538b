"""Ticks of a day or more are days in every sentence and on every page, at whatever hour they are stamped."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

import sentinel
from sentinel.domain.spans import DAY, HOUR, moment_in_words
from tests.analysis.lakes import slowing


@pytest.mark.parametrize("hour", [0, 1, 6, 11, 12, 18, 23])
def test_the_end_of_a_tick_is_its_day_whatever_the_hour_of_its_stamp(hour):
    stamp = 18_000 * DAY + hour * HOUR
    assert moment_in_words(stamp + DAY // 2, DAY) == moment_in_words(stamp // DAY * DAY)
    for cadence in (0, HOUR):
        assert moment_in_words(stamp + HOUR // 2, cadence).endswith("UTC")


def record_of(hour: int, out) -> str:
    times = pl.datetime_range(pl.datetime(2019, 1, 1, hour), pl.datetime(2022, 1, 1), "1d", eager=True).head(900)
    path = out / f"{hour}.csv"
    pl.DataFrame({"time": times, "ph": slowing(900)}).write_csv(path)
    found = sentinel.analyse(path)
    assert "12:00" not in repr(found)
    assert not re.search(r"\d\d:\d\d", repr(found))
    alarms = found.alarms
    assert alarms.height
    days = [str(np.datetime64(us - DAY // 2, "us").astype("datetime64[D]")) for us in alarms["time"].dt.epoch("us")]
    assert any(day in repr(found) for day in days), "the day of the tick at which it was raised"
    return repr(found)


def test_a_daily_record_says_the_same_days_whether_it_is_stamped_at_midnight_or_at_noon(tmp_path):
    assert record_of(0, tmp_path) == record_of(12, tmp_path) == record_of(6, tmp_path)
