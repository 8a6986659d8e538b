"""`sentinel backtest --events`: a user's own labelled data, on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest

from sentinel.commands.main import entry_point
from sentinel.domain.errors import DataError
from tests.analysis.lakes import lakes, slowing, without_pictures

DATA = Path(os.environ.get("SENTINEL_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
LAKES = DATA / "lakes" / "peter_paul_2018_2019.csv"
EVENTS = "series,time,kind\nloaded,2019-01-10,start\nloaded,2019-02-05T12:00:00Z,transition\ncontrol,,control\n"


def backtest(folder: Path, *more: str, table: str = "lakes.csv", out: str = "out") -> int:
    return entry_point(["backtest", str(folder / table), "--out", str(folder / out), *more])


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Two lakes with and without labels."""
    folder = tmp_path_factory.mktemp("events")
    lakes().write_csv(folder / "lakes.csv")
    (folder / "events.csv").write_text(EVENTS, encoding="utf-8")
    (folder / "fixed.yaml").write_text("alarms: [{threshold: 0.8, alpha: 1e-4}]\n", encoding="utf-8")
    with without_pictures():
        assert backtest(folder, "--quiet", "--config", str(folder / "fixed.yaml"), out="plain") == 0
        assert (
            backtest(folder, "--quiet", "--config", str(folder / "fixed.yaml"), "--events", str(folder / "events.csv"))
            == 0
        )
    return folder


@pytest.mark.slow
def test_the_verdict_is_printed_and_written_and_stands_in_the_report(judged, capsys):
    fixed = "--config", str(judged / "fixed.yaml")
    assert backtest(judged, *fixed, "--events", str(judged / "events.csv"), out="again") == 0
    told = capsys.readouterr().out
    page = (judged / "again" / "report.html").read_text(encoding="utf-8")
    alarm = pl.read_csv(judged / "again" / "alarms.csv", try_parse_dates=True)["time"][0].replace(tzinfo=None)
    lead = (pl.datetime(2019, 2, 5, 12) - pl.lit(alarm)).dt.total_seconds()
    data = json.loads((judged / "again" / "skill.json").read_text(encoding="utf-8"))
    assert data["detected"] == 1
    assert data["events"][0]["lead"] == pl.select(lead).item() > 0
    assert data["alarms"] == {"false alarm": 0, "true alarm": 1, "late alarm": 0, "no event": 0, "not judged": 0}
    # After 99 ticks of learning: all of the control, the other lake up to its start at tick 216.
    assert data["quiet"]["ticks"] == (900 - 99) + (216 - 99)
    assert data["quiet"]["declared_budget"] == pytest.approx(918e-4)
    rows = pl.read_csv(judged / "again" / "skill.csv")
    assert rows.columns == ["alarm", "series", "kind", "time", "verdict", "lead"]
    assert rows["verdict"].to_list() == ["true alarm"]
    assert rows["alarm"].to_list() == pl.read_csv(judged / "again" / "alarms.csv")["alarm"].to_list()
    for text in (told, page.replace("&#39;", "'")):
        assert "Against labelled events" in text
        assert "Detected before the event: 1 of 1 (3% to 100%); 0 missed." in text
        assert "Alarms: 1 True (before an event), 0 Late (after it, no warning), 0 False (quiet data)" in text
        assert "at most 0.0918 false alarms were declared there (alpha x ticks), 0 came" in text
        for name in ("lag-1, Kendall", "variance, Kendall", "mean", "standard deviation", "skewness", "always"):
            assert name in text
        assert "prosecutor" not in text


def test_labels_change_nothing_that_is_found(judged):
    for name in ("readings.parquet", "alarms.csv"):
        assert (judged / "out" / name).read_bytes() == (judged / "plain" / name).read_bytes()
    assert not (judged / "plain" / "skill.json").exists()


@pytest.mark.slow
def test_on_a_numbered_axis_events_are_numbers_and_rates_are_per_ten_thousand_ticks(undrawn, tmp_path, capsys):
    table = lakes().with_columns(time=pl.int_range(900) * 0.5 + 1000)
    table.write_csv(tmp_path / "lakes.csv")
    (tmp_path / "events.csv").write_text(
        "series,time,kind\nloaded,1108,start\nloaded,1440.0,transition\ncontrol,,control\n", encoding="utf-8"
    )
    assert backtest(tmp_path, "--events", str(tmp_path / "events.csv")) == 0
    told = capsys.readouterr().out
    data = json.loads((tmp_path / "out" / "skill.json").read_text(encoding="utf-8"))
    alarm = pl.read_csv(tmp_path / "out" / "alarms.csv")["time"][0]
    assert data["unit_of_lead"] == "units"
    assert data["events"][0]["lead"] == pytest.approx(1440 - alarm)
    assert "per 10,000 ticks" in told
    assert "series-year" not in told


BAD = {
    "series,time,kind\nloadde,2019-01-10,start\n": "row 1: no series 'loadde' in the data; did you mean 'loaded'?",
    "series,time,kind\nloaded,2019-01-10,begin\n": "row 1: 'begin' is no kind of event; allowed kinds are transition",
    "series,time,kind\nloaded,10. Jan,start\n": "row 1: '10. Jan' is not a time; times are written as in the data",
    "series,time,kind\nloaded,,transition\n": "row 1: a transition without a time; only a control may have none",
    "series,time\nloaded,2019-01-10\n": "no column 'kind' (there are series, time); series, time and kind",
    "series,time,kind\nloaded,2020-01-10,transition\n": "row 1: transition at 2020-01-10 is outside of the data of",
    "series,time,kind\nloaded,2018-12-31,start\n": "they span 2019-01-01 to 2019-02-07 11:00 UTC",
    "series,time,kind\n": "the table has no rows; at least one event is needed",
    "": "the file is empty",
    "series,time,kind\ncontrol,,control\ncontrol,,control\n": "row 2: the same event as in row 1; once is allowed",
    "series,time,kind\nloaded,2019-01-10,start,now\n": "row 1: more fields than the header names",
    "series,time,kind\nloaded,2019-01-10,start\nloaded,2019-01-12,start\n": "row 2: start of 'loaded' follows",
    "series,time,kind\nloaded,2019-02-01,start\nloaded,2019-01-20,transition\n": (
        "row 1: start of 'loaded' at 2019-02-01 comes after its only transition of 2019-01-20; a start is"
    ),
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_a_bad_file_of_events_gets_one_clear_line_and_exit_65(judged, tmp_path, capsys, text):
    (tmp_path / "bad.csv").write_text(text, encoding="utf-8")
    code = entry_point(
        ["backtest", str(judged / "lakes.csv"), "--events", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "out")]
    )
    told = capsys.readouterr()
    assert code == DataError.exit_code
    assert told.out == ""
    assert told.err.startswith(f"sentinel: {tmp_path / 'bad.csv'}")
    assert BAD[text] in told.err
    assert told.err.count("\n") == 1
    assert not list((tmp_path / "out").glob("*")), "nothing half-made is left"


def test_a_missing_file_of_events_gets_one_clear_line_and_exit_65(judged, tmp_path, capsys):
    assert backtest(judged, "--events", str(tmp_path / "none.csv"), out="bad") == DataError.exit_code
    assert capsys.readouterr().err == f"sentinel: {tmp_path / 'none.csv'}: there is no such file\n"


def test_a_number_is_no_time_where_the_data_have_numbers_and_the_event_a_date(tmp_path, capsys):
    pl.DataFrame({"time": range(300), "x": slowing(300)}).write_csv(tmp_path / "lakes.csv")
    (tmp_path / "events.csv").write_text("series,time,kind\nx,2019-01-10,start\n", encoding="utf-8")
    assert backtest(tmp_path, "--events", str(tmp_path / "events.csv")) == DataError.exit_code
    assert "'2019-01-10' is not a time; a number is allowed, as in the data" in capsys.readouterr().err


PETER = "".join(
    f"peter/{name},2019-06-10,start\npeter/{name},2019-07-20,transition\n"
    for name in ("phycocyanin", "chlorophyll", "oxygen_saturation", "ph")
)
"""Fertilised from day 161 of 2019; the bloom on day 201."""
PAUL = "".join(
    f"paul/{name},2018-06-01,control\npaul/{name},2019-06-01,start\n"
    for name in ("phycocyanin", "chlorophyll", "oxygen_saturation", "ph")
)
"""Left alone in both years, but it crossed a bloom threshold of its own in 2019: only 2018 is quiet."""


@pytest.mark.slow
@pytest.mark.skipif(not LAKES.exists(), reason="the two lakes are not here: set SENTINEL_TEST_DATA")
def test_one_bloom_and_one_quiet_year_pass_through_and_prove_nothing(tmp_path, capsys):
    (tmp_path / "events.csv").write_text("series,time,kind\n" + PETER + PAUL, encoding="utf-8")
    code = entry_point(
        ["backtest", str(LAKES), "--by", "lake", "--events", str(tmp_path / "events.csv"), "--out", str(tmp_path)]
    )
    assert code == 0
    told = capsys.readouterr().out
    data = json.loads((tmp_path / "skill.json").read_text(encoding="utf-8"))
    # At the defaults a season that starts cold in mid-May has no verdict: its own past is not known before 190 values.
    assert [event["ticks_with_verdict"] <= 1 for event in data["events"]] == [True] * 4
    assert data["detected"] == 0
    assert data["alarms"]["true alarm"] == 0
    assert "4 labelled transitions at 1 distinct moment" in told
    assert "Before 4 of 4 events there was no verdict during most of the time" in told
    assert "Quiet data with a verdict: none. Nothing can be said about false alarms." in told
