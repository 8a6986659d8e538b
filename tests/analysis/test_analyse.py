"""`sentinel.analyse`: the scientist's door in a notebook."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import sentinel
from sentinel.config import Settings
from sentinel.domain.errors import DataError
from tests.analysis.lakes import COLUMNS, lakes, slowing
from tests.pipeline.streams import ar1


@pytest.mark.slow
def test_analyse_gives_tables_a_figure_and_a_page_for_notebooks():
    analysis = sentinel.analyse(lakes().to_dict(as_series=False))
    assert analysis.readings.columns == COLUMNS
    assert set(analysis.alarms["series"]) == {"loaded"}
    assert list(analysis.sentences) == ["loaded", "control"]
    assert len(analysis.plot().axes) >= 5
    assert analysis.plot("control") is not analysis.plot("control")
    page = analysis._repr_html_()
    assert "<svg " in page
    assert len(page) < 200_000
    ids = [re.findall(r' id="([^"]+)"', shown) for shown in (page, analysis._repr_html_())]
    assert set(ids[0]).isdisjoint(ids[1])  # all outputs of a notebook are on one page
    assert "control" in page
    assert repr(analysis).startswith("loaded: returned more slowly")
    with pytest.raises(DataError, match="no series 'x'; there are loaded, control"):
        analysis.plot("x")


def test_analyse_says_what_is_wrong_with_a_frame():
    with pytest.raises(DataError, match="frame: no usable value"):
        sentinel.analyse({"time": [1, 2, 3], "x": [None, float("nan"), None]})
    with pytest.raises(DataError, match="frame: a float came; a table is needed"):
        sentinel.analyse(3.5)


def test_importing_the_package_stays_light():
    code = "import sentinel, sys; print([m for m in ('polars', 'numpy', 'matplotlib', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sentinel.nothing


def test_a_short_gap_that_is_blind_for_a_while_is_missing_ticks_and_no_gap():
    values = slowing(600)
    keep = np.ones(600, bool)
    keep[200:230] = False
    keep[300:500] = False
    table = pl.DataFrame({"time": np.arange(600)[keep], "x": values[keep]})
    found = sentinel.analyse(table)
    (record,) = found._records.values()
    assert (record.gaps, record.missing, record.ticks) == (1, 30, int(keep.sum()) + 30)


@pytest.mark.slow
def test_an_ordinary_pandas_table_is_taken_without_another_library():
    pandas = pytest.importorskip("pandas")
    time = pandas.date_range("2024-01-01", periods=200, freq="h")
    table = pandas.DataFrame({"time": time.astype(str), "lake": ["peter"] * 200, "x": slowing(200)})
    found = sentinel.analyse(table, by="lake")
    assert found.readings["series"].unique().to_list() == ["peter/x"]
    assert found.readings.height == 200
    stamped = sentinel.analyse(table.assign(time=time), by="lake")
    assert_frame_equal(stamped.readings, found.readings)


@pytest.mark.slow
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_an_index_of_dates_is_the_time_of_a_pandas_table(zone):
    pandas = pytest.importorskip("pandas")
    time = pandas.date_range("2024-01-01", periods=200, freq="h", tz=zone)
    table = pandas.DataFrame({"x": slowing(200)}, index=time)
    indexed = sentinel.analyse(table).readings
    assert_frame_equal(indexed, sentinel.analyse(table.rename_axis("time").reset_index()).readings)
    assert indexed["time"][1].timestamp() == time[1].timestamp()


def test_a_pandas_table_that_cannot_be_used_is_refused_in_one_line():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"time": [1, 2, 3], "x": [1.0, 2.0, 3.0]})
    lettered = pandas.Series([1.0, 2.0], index=["a", "b"])
    levels = pandas.MultiIndex.from_tuples([(1, 1), (1, 2)], names=["lake", "day"])
    for wrong, words in (
        (lettered, "the index of a pandas Series is its time: dates, periods or numbers are needed"),
        (pandas.concat([table, table["x"]], axis=1), "2 columns are named 'x'; a name may stand once"),
        (
            pandas.DataFrame({"x": [1.0, 2.0]}, index=levels),
            r"no level 'time' of the index \(there are lake, day\); one must be the time",
        ),
    ):
        with pytest.raises(DataError, match=f"^frame: {words}; a table is needed$"):
            sentinel.analyse(wrong)


@pytest.mark.slow
def test_what_is_slow_from_its_first_verdict_on_is_held_and_the_sentence_says_so():
    absolute = Settings.model_validate({"alarms": [{"threshold": 0.8, "alpha": 1e-4}]})
    frame = {"time": np.arange(1_500), "x": ar1(4, 0.97, 1_500)[:, 0], "y": ar1(5, 0.3, 1_500)[:, 0]}
    found = sentinel.analyse(frame, config=absolute)
    assert found.alarms.is_empty()
    assert found.sentences["x"].startswith(
        "held, lag-1 above 0.8: slow for its cadence (sampled fast, or already slow);"
    )
    assert found.sentences["y"].startswith("no alarm: ")
    turned = {"time": frame["time"], "x": np.concatenate([frame["x"], ar1(6, 0.1, 1_500)[:, 0]])[500:2_000]}
    after = sentinel.analyse(turned, config=absolute)
    assert "no alarm: " in after.sentences["x"]
    assert "; held for " in after.sentences["x"]


def test_on_an_axis_of_numbers_a_tier_in_calendar_time_may_stand_beside_one_per_tick():
    rules = [{"kind": "slower", "alpha": 1e-5}, {"kind": "slower", "false_alarms": "1 per 10y", "severity": "critical"}]
    frame = {"time": np.arange(400), "x": slowing(400)}
    assert sentinel.analyse(frame, config=Settings.model_validate({"alarms": rules})).sentences["x"]
