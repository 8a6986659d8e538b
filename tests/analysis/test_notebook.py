"""`import sentinel` in a notebook: five functions, any table, arguments in place of options, errors in their words."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

import sentinel
from sentinel.analysis.arguments import in_python, settings_from
from sentinel.config import Settings
from sentinel.domain.errors import ConfigError, DataError, UsageError
from tests.analysis.lakes import lakes, slowing

TICKS = 200
TIME = pl.Series(np.datetime64("2024-01-01", "us") + np.arange(TICKS) * np.timedelta64(1, "h"))
VALUES = slowing(TICKS)


def test_completion_shows_five_functions_and_nothing_else():
    sentinel.analyse({"time": [1, 2, 3], "x": [1.0, 2.0, 3.0]})  # now rooms behind it are imported
    public = {name for name in dir(sentinel) if not name.startswith("_")}
    assert public == set(sentinel.__all__) == {"analyse", "backtest_events", "inspect", "simulated", "sweep"}
    assert all(getattr(sentinel, name).__doc__ for name in public)


@pytest.mark.slow
def test_every_kind_of_table_gives_the_same_readings():
    pandas = pytest.importorskip("pandas")
    table = pl.DataFrame({"time": TIME, "x": VALUES})
    expected = sentinel.analyse(table).readings
    indexed = pandas.Series(VALUES, index=pandas.DatetimeIndex(TIME.to_list()), name="x")
    periods = pandas.Series(VALUES, index=pandas.period_range("2024-01-01", periods=TICKS, freq="h"), name="x")
    for same in (table.lazy(), table.to_dict(as_series=False), indexed, indexed.to_frame(), periods):
        assert_frame_equal(sentinel.analyse(same).readings, expected)


@pytest.mark.parametrize(
    "values", [pl.Series("value", VALUES), VALUES, VALUES.tolist()], ids=["polars", "numpy", "list"]
)
def test_one_series_without_times_has_ticks_for_times(values):
    found = sentinel.analyse(values)
    expected = sentinel.analyse({"time": np.arange(len(VALUES)), "value": VALUES})
    assert_frame_equal(found.readings, expected.readings)


def test_the_numbered_index_of_a_pandas_series_is_its_time():
    pandas = pytest.importorskip("pandas")
    years = 1800.0 + np.arange(len(VALUES))
    found = sentinel.analyse(pandas.Series(VALUES, index=years))
    assert_frame_equal(found.readings, sentinel.analyse({"time": years, "value": VALUES}).readings)


@pytest.mark.slow
def test_dimensions_of_xarray_tell_series_apart():
    xarray = pytest.importorskip("xarray")
    values = np.stack([VALUES, VALUES[::-1]], axis=1)
    coordinates = {"time": TIME.to_numpy(), "lake": ["peter", "paul"], "depth": ("lake", [6.0, 3.7])}
    array = xarray.DataArray(values, dims=("time", "lake"), coords=coordinates, name="ph")
    wide = pl.DataFrame({"time": TIME, "peter/ph": values[:, 0], "paul/ph": values[:, 1]})
    expected = sentinel.analyse(wide).readings
    for same in (array, array.to_dataset(), array.transpose("lake", "time"), array.rename(time="date")):
        assert_frame_equal(sentinel.analyse(same).readings.sort("series", "time"), expected.sort("series", "time"))
    single = sentinel.analyse(array.sel(lake="peter"))
    assert single.readings["series"].unique().to_list() == ["ph"]
    with pytest.raises(DataError, match=r"no dimension 'time' \(there are x, lake\); name the one that is the time"):
        sentinel.analyse(xarray.DataArray(values, dims=("x", "lake")))


def test_arguments_are_settings_that_could_stand_in_a_file():
    written = {
        "alarms": [{"threshold": 0.7, "alpha": 1e-3}],
        "banks": {"default": {"half_life": "30 ticks"}},
        "series": [{"match": "control"}, {"match": "*", "counterpart": "control"}],
    }
    found = settings_from(None, threshold=0.7, alpha=1e-3, half_life=30, counterpart="control")
    assert found == Settings.model_validate(written)
    pairs = settings_from(
        {"banks": {"default": {"half_life": "5d"}}}, counterpart={"peter/*": "paul/*"}, half_life="9d"
    )
    assert pairs.counterpart_for("peter/ph") == "paul/ph"
    assert pairs.counterpart_for("paul/ph") is None
    assert str(pairs.banks["default"].half_life) == "9d"
    assert settings_from({"alarms": written["alarms"]}).alarms == settings_from(None, threshold=0.7, alpha=1e-3).alarms


def test_the_arguments_reach_the_analysis():
    found = sentinel.analyse(lakes(), threshold=0.8, half_life=30, counterpart="control")
    assert "loaded - control" in found.sentences
    assert set(found.alarms["kind"]) == {"lag1"}
    plain = sentinel.analyse(lakes(), config={"alarms": [{"threshold": 0.8, "alpha": 1e-4}]}, half_life="30h")
    assert_series_equal(plain.readings.filter(series="loaded")["lag1"], found.readings.filter(series="loaded")["lag1"])


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"threshold": 2}, UsageError, r"^threshold=2: .*a number from -0.98 to 0.99"),
        ({"half_life": "long"}, UsageError, r"^half_life='long': .*a half-life is a duration"),
        ({"alpha": 7}, UsageError, r"^alpha=7: .*at most 0.1"),
        ({"counterpart": "nix"}, DataError, r"^frame: no series 'nix', the counterpart of"),
        ({"season": "3x"}, UsageError, r"^season='3x': .*a season is a number and a unit"),
        ({"cadence": "1h", "season": ["2h", "1d"]}, UsageError, r"^cadence='1h' season=\['2h', '1d'\]: 2h spans 2 t"),
        ({"aggregate": "sum"}, UsageError, r"^aggregate='sum': .*'last' or 'mean' is allowed"),
        ({"treshold": 0.8}, UsageError, r"^treshold: there is no such argument; did you mean 'threshold'\?"),
        ({"by": "lakes"}, DataError, r"^frame: no column 'lakes'; columns are time, loaded, control; .* by"),
        (
            {"config": {"alarms": [{"threshold": 2, "alpha": 0.1}], "x": 1}}, ConfigError,
            r"^config\['alarms'\]\[0\]\['threshold'\]: 2; .*\nconfig\['x'\]: unknown key",
        ),
    ],
)  # fmt: skip
def test_errors_name_arguments_and_never_options(arguments, kind, words):
    with pytest.raises(kind, match=words) as caught:
        sentinel.analyse(lakes(60), **arguments)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("ND x7 in column chl: --missing ND --missing '<1'", "ND x7 in column chl: missing=['ND', '<1']"),
        ("name it with --by COLUMN (by: [COLUMN]); see", "name it with by='COLUMN'; see"),
        ("--time-column DATE --time-column HOUR", "time_column=['DATE', 'HOUR']"),
        ("say it with --by on the command line", "say it with by on the command line"),
        ("say it with time_column, or --time-column on the command line", "say it with time_column"),
        ("--cadence 1d: too short", "cadence='1d': too short"),
        ("2 -- 3, and --nothing of ours", "2 -- 3, and --nothing of ours"),
    ],
)
def test_options_in_messages_become_arguments(message, words):
    assert in_python(message) == words


@pytest.mark.slow
def test_columns_of_structs_are_as_many_columns_in_a_frame_and_in_parquet(tmp_path):
    flat = pl.DataFrame({"time": TIME, "x": VALUES})
    nested = flat.select(pl.struct("time").alias("meta"), pl.struct(pl.struct("x").alias("ph")).alias("lake"))
    nested.write_parquet(tmp_path / "a.parquet")
    wanted = sentinel.analyse(flat).readings
    for one in (nested, tmp_path / "a.parquet"):
        got = sentinel.analyse(one).readings
        assert got["series"].unique().to_list() == ["lake.ph.x"]
        assert_frame_equal(got.drop("series"), wanted.drop("series"))


@pytest.mark.slow
def test_cells_that_are_no_numbers_are_answered_with_an_argument_that_reads_them(tmp_path):
    cells = ["ND" if day % 5 == 0 else "<0.5" if day % 7 == 0 else str(day) for day in range(1, 29)]
    (tmp_path / "a.csv").write_text("time,chl\n" + "".join(f"2020-01-{n:02},{c}\n" for n, c in enumerate(cells, 1)))
    with pytest.raises(DataError, match=r"below_detection='half'$") as caught:
        sentinel.analyse(tmp_path / "a.csv")
    assert "--" not in str(caught.value)
    found = sentinel.analyse(tmp_path / "a.csv", below_detection="half")
    assert found.readings["value"].is_nan().sum() == 5


@pytest.mark.slow
def test_what_was_found_can_be_written_drawn_and_reported(tmp_path):
    found = sentinel.analyse(lakes(400))
    found.readings.write_csv(tmp_path / "readings.csv")
    assert pl.read_csv(tmp_path / "readings.csv").height == 800
    assert found.report(tmp_path / "x.html") == tmp_path / "x.html"
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert page.count('role="img"') == 2
    assert "What each rule would have said" in page
    for ending, start in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
        found.plot("control", path=tmp_path / f"x.{ending}")
        assert (tmp_path / f"x.{ending}").read_bytes().startswith(start)
    with pytest.raises(UsageError, match=r"the ending must be \.pdf, \.png, \.svg"):
        found.plot(path=tmp_path / "x.gif")
    with pytest.raises(DataError, match="nowhere"):
        found.report(tmp_path / "nowhere" / "x.html")


@pytest.mark.slow
def test_a_picture_takes_size_letters_labels_and_title():
    found = sentinel.analyse(lakes(400))
    figure = found.plot(size=(6, 5), font_size=6.8, title="A lake", labels={"value": "pH", "criticality": "crit."})
    usual = found.plot()
    assert figure.get_size_inches().tolist() == [6, 5]
    assert figure.texts[0].get_text() == "A lake"
    assert figure.axes[0].get_ylabel() == "pH"
    assert "crit." in [axes.get_ylabel() for axes in figure.axes]
    assert figure.axes[0].yaxis.label.get_fontsize() == pytest.approx(0.8 * usual.axes[0].yaxis.label.get_fontsize())
    assert figure.axes[0].yaxis.get_tick_params()["labelsize"] == pytest.approx(0.8 * 8)
    assert found.plot(title="").texts[0].get_text() == ""
    for wrong, words in (
        ({"labels": {"ph": "pH"}}, "labels 'ph': no such axis; there are value, residual"),
        ({"size": (2, 2)}, "size 2 x 2: too small for letters of 8.5 points; at least 3.4 x 1.8 inches are needed"),
        ({"size": 7}, "size 7: width and height in inches are needed"),
        ({"font_size": 0}, "font_size 0: points from 1 to 100 are allowed"),
    ):
        with pytest.raises(UsageError, match=words):
            found.plot(**wrong)


def test_the_summary_has_a_row_for_each_series():
    found = sentinel.analyse(lakes())
    assert found.summary["series"].to_list() == list(found.sentences) == ["loaded", "control"]
    last = found.readings.filter(series="control").tail(1)
    row = found.summary.row(by_predicate=pl.col("series") == "control", named=True)
    for column in ("lag1", "lag1_low", "modulus", "skewness", "cv"):
        assert row[column] == last[column][0], column
    assert row["variance"] == pytest.approx(np.exp(last["spread"][0]))
    assert row["ticks"] == 900
    assert sentinel.analyse(lakes(30)).summary["lag1"].null_count() == 2


def test_a_record_that_was_sorted_on_disk_has_a_report_and_no_trends(tmp_path, monkeypatch):
    monkeypatch.setattr("sentinel.analysis.results.RUN_ROWS", 500)
    found = sentinel.analyse(lakes(400))
    assert found.report(tmp_path / "x.html").exists()
    with pytest.raises(DataError, match="more than 500 rows"):
        found.trends()


@pytest.mark.slow
def test_taus_and_their_p_values_are_a_table():
    found = sentinel.analyse(lakes()).trends()
    assert found.columns == ["series", "indicator", "tau", "p_ar", "p_arma", "p_blocks"]
    assert found.height == 4
    slow = found.row(by_predicate=(pl.col("series") == "loaded") & (pl.col("indicator") == "lag 1"), named=True)
    assert slow["tau"] > 0.7
    assert max(slow["p_ar"], slow["p_blocks"]) < 0.05
    assert sentinel.analyse(lakes(60)).trends().is_empty()


def test_simulated_systems_come_with_what_happened_to_them():
    record = sentinel.simulated(seed=2)
    assert record.data.columns == ["time", "lake", "lake_control"]
    assert record.data.height == 1800
    assert record.events["kind"].to_list() == ["transition", "control"]
    tipped = record.data.filter(pl.col("time") >= record.events["time"][0])["lake"]
    assert tipped.min() > 0.7
    assert sentinel.simulated("nile").data.height == 100
    assert sentinel.simulated("ar1", ticks=50).data.height == 50
    with pytest.raises(UsageError, match="'laek': no such system; there are lake, "):
        sentinel.simulated("laek")


@pytest.mark.slow
def test_alarms_are_judged_by_events_as_the_command_does():
    record = sentinel.simulated()
    verdict = sentinel.backtest_events(record)
    assert verdict.words[0].startswith("Detected before the event: 1 of 1")
    assert set(verdict.alarms.columns) == {"alarm", "series", "kind", "time", "verdict", "lead"}
    assert {"sentinel", "never"} <= set(verdict.tables[1]["indicator"])
    assert verdict.data["events"]
    assert repr(verdict).startswith("Against labelled events")
    assert "<table>" in verdict._repr_html_()
    same = sentinel.backtest_events(record.data, record.events)
    assert same.words == verdict.words
    with pytest.raises(UsageError, match="events: none came"):
        sentinel.backtest_events(record.data)
    with pytest.raises(DataError, match=r"^events, row 2: no series 'pond' in the data"):
        sentinel.backtest_events(
            record.data, {"series": ["lake", "pond"], "time": [None, None], "kind": ["control"] * 2}
        )


@pytest.mark.slow
def test_a_sweep_says_whether_the_verdict_depends_on_choices():
    table = lakes(500)
    verdict = sentinel.sweep(table)
    assert repr(verdict).startswith("Does the verdict depend on thresholds, budgets and scales?")
    assert verdict.alarms is None
    assert verdict.tables
    start = datetime(2019, 1, 1, tzinfo=UTC)
    events = pl.DataFrame({"series": ["control"], "time": [start], "kind": ["control"]})
    assert "false" in repr(sentinel.sweep(table, events, threshold=0.8))


def test_inspect_says_how_a_table_is_read_and_what_it_would_watch(tmp_path):
    time = pl.Series(np.datetime64("2024-01-01", "us") + np.arange(1_441) * np.timedelta64(1, "h"))
    wave = 5 * np.sin(2 * np.pi * np.arange(len(time)) / 24)
    noise = np.random.default_rng(1).normal(size=len(time))
    pl.DataFrame({"Date": time, "t": wave + noise, "x": noise}).write_csv(tmp_path / "a.csv", separator=";")
    found = sentinel.inspect(tmp_path / "a.csv")
    seasons = dict(found.series.select("series", "seasons").iter_rows())
    assert seasons == {"t": ["1d"], "x": []}
    assert "t: 1,441 values, cadence 1h, an undeclared season of 1d: season=['1d']" in repr(found)
    assert "--" not in repr(found)
    assert found.series["cadence"].to_list() == ["1h", "1h"]
    with pytest.raises(DataError, match="there is no such file"):
        sentinel.inspect(tmp_path / "b.csv")


def test_a_recovery_time_that_a_jump_hides_is_no_number_of_the_summary():
    values = np.append(np.random.default_rng(3).normal(size=600), 30.0 * np.arange(60))
    found = sentinel.analyse(pl.DataFrame({"time": range(660), "x": values}))
    (said,) = found.sentences.values()
    assert "recovery time unknown" in said
    assert found.summary["recovery"].to_list() == [None]
