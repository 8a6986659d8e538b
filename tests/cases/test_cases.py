"""Files that went wrong once, each with the right outcome: the rows of the table of cases that are about reading.

The files are found through SENTINEL_TEST_DATA and are not part of the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

import sentinel
from sentinel.commands.main import entry_point
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.recognising import recognise

CASES = Path(os.environ.get("SENTINEL_TEST_DATA", "no-such-folder")) / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here: set SENTINEL_TEST_DATA")


def inspected(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert entry_point(["inspect", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert entry_point(["inspect", *map(str, arguments)]) == DataError.exit_code
    return capsys.readouterr().err


def observations(path: Path, **options) -> pl.DataFrame:
    found = recognise(path, TableOptions(**options)).options
    table = parse(open_table(path, found), found, path.name, strict=True)
    return table.observations.collect().sort("series", "time")


def without(path: Path, folder: Path, mark: str) -> Path:
    """The same file with empty cells where the mark is."""
    text = path.read_text(encoding="utf-8").replace(f",{mark}", ",")
    (folder / "blank.csv").write_text(text, encoding="utf-8")
    return folder / "blank.csv"


@pytest.mark.parametrize(
    ("case", "mark", "least"),
    [
        pytest.param("first-value-9999", "-9999.0", 1, marks=pytest.mark.slow),
        pytest.param("leading-9999", "-9999.0", 500, marks=pytest.mark.slow),
        ("sentinel-999", "-999.0", 20),
    ],
)
def test_fill_values(case, mark, least, tmp_path, capsys):
    """Named with the setting that declares them; declared, they are as if the cells were empty."""
    path, number = CASES / case / "in.csv", mark.removesuffix(".0")
    said = inspected(capsys, path)
    assert f"{number} lies far from all other values" in said
    assert f"--missing {number}" in said
    declared = sentinel.analyse(path, missing=[number])
    assert_frame_equal(declared.readings, sentinel.analyse(without(path, tmp_path, mark)).readings)
    assert any(line.startswith(f"{number} lies far") for line in sentinel.analyse(path).read_as)
    assert recognise(path, TableOptions()).options.missing[:6] == TableOptions().missing, "nothing is taken out unasked"
    assert observations(path, missing=(number,)).height <= observations(path).height - 4 * least


@pytest.mark.slow
def test_late_sensor(capsys):
    path = CASES / "late-sensor" / "in.csv"
    found = observations(path)
    late = {f"late_{word}" for word in ("empty", "NA", "NULL")}
    assert {name for (name,), own in found.group_by("series") if own.height == 1500} == late
    assert "-9999 lies far" in inspected(capsys, path)


def test_column_wakes_up(tmp_path):
    path = CASES / "column-wakes-up" / "in.csv"
    assert set(observations(path)["series"]) == {"a", "b"}
    asleep = tmp_path / "asleep.csv"
    asleep.write_text("".join(path.read_text().splitlines(keepends=True)[:1001]))
    assert "no numbers in b" in sentinel.analyse(asleep).read_as


def test_fluxnet_time():
    found = observations(CASES / "fluxnet-time" / "in.csv")
    assert found["time"].min().isoformat() == "2021-01-01T00:00:00+00:00"
    assert found.filter(series="NEE_VUT_REF")["time"].diff().drop_nulls().dt.total_minutes().unique().to_list() == [30]


HOURLY = {
    "t_comma", "t_compact", "t_ctime", "t_doy", "t_epoch", "t_epochms", "t_epochns", "t_fluxnet", "t_hm", "t_mixed",
    "t_mixednaive", "t_ms", "t_nomin", "t_ns", "t_off", "t_off2", "t_off4", "t_quoted", "t_slash", "t_space",
    "t_spacez", "t_utc", "t_z",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOURLY))
def test_time_forms(name):
    times = observations(CASES / "time-forms" / f"{name}.csv")["time"]
    assert times.len() == 150
    assert abs(times[0].timestamp() - 1609459200) <= 3600.2
    assert times.diff().drop_nulls().dt.total_minutes().unique().to_list() == [60]


@pytest.mark.parametrize(
    ("name", "first", "step_days"),
    [
        ("t_ym", "1990-01-01", None),
        ("t_isoweek", "2018-01-01", 7),
        ("t_isoweekd", "2018-01-01", 7),
        ("t_h24", "2021-01-01", None),
    ],
)
def test_time_forms_of_days(name, first, step_days):
    times = observations(CASES / "time-forms" / f"{name}.csv")["time"]
    assert times[0].date().isoformat() == first
    assert step_days is None or set(times.diff().drop_nulls().dt.total_days()) == {step_days}


@pytest.mark.slow
def test_time_forms_that_are_asked_about(capsys):
    for name in ("t_ambig", "t_us"):
        assert "can be read in 2 ways" in refused(capsys, CASES / "time-forms" / f"{name}.csv")
    assert "--time-format excel" in inspected(capsys, CASES / "time-forms" / "t_excel.csv")
    excel = observations(CASES / "time-forms" / "t_excel.csv", time_format="excel")["time"]
    assert excel.diff().drop_nulls().dt.total_minutes().unique().to_list() == [60]
    assert "1 without a time" in inspected(capsys, CASES / "time-forms" / "t_leap.csv")


def test_age_bp(capsys):
    path = CASES / "age-bp" / "in.csv"
    said = refused(capsys, path)
    assert "--time-direction backward (ages: 12000 is the oldest of them)" in said
    found = observations(path, time_direction="backward")
    assert found.filter(series="s0")["value"].to_list() == pl.read_csv(path)["s0"].to_list(), "the oldest comes first"


def test_hourly_then_15min(capsys):
    said = inspected(capsys, CASES / "hourly-then-15min" / "in.csv")
    assert "80% of the steps are shorter than the cadence 1h from value 501 on" in said
    assert "give --aggregate mean, or --cadence 15m" in said


@pytest.mark.parametrize(
    ("case", "cadence"), [("bursts", "1s"), pytest.param("burst-then-hourly", "1h", marks=pytest.mark.slow)]
)
def test_bursts(case, cadence, capsys):
    said = inspected(capsys, CASES / case / "in.csv")
    assert f"give --cadence {cadence}" in said
    assert any("not regular" in line for line in sentinel.analyse(CASES / case / "in.csv").read_as)


@pytest.mark.parametrize("name", ["in.dat", "in.csv", "noline1.csv", "header-only.csv"])
def test_toa5(name):
    found = observations(CASES / "toa5" / name)
    assert set(found["series"]) == {"BattV", "AirT_C(42)", "RelHumid_Avg(3)"}
    assert found.filter(series="BattV").height == 300


@pytest.mark.parametrize("name", ["in.tab", "body.csv"])
def test_pangaea(name, capsys):
    found = observations(CASES / "pangaea" / name)
    assert set(found["series"]) == {"d18O [per mil]"}
    assert found["time"].max() == -1.2
    assert "ages; the largest is the oldest" in inspected(capsys, CASES / "pangaea" / name)


@pytest.mark.parametrize(("name", "first"), [("comma_quoted.csv", 9.20), ("thousands.csv", 1159.90)])
def test_decimal(name, first):
    found = observations(CASES / "decimal" / name)
    assert found.height == 200
    assert found["value"][0] == first


def test_two_instruments(capsys):
    path = CASES / "two-instruments" / "in.csv"
    assert "by: [method], or --by method" in refused(capsys, path)
    assert set(observations(path, by=("method",))["series"]) == {"F039/value", "F027/value"}


@pytest.mark.slow
def test_counter(capsys):
    path = CASES / "counter" / "in.csv"
    said = refused(capsys, path)
    assert "'s00' only rises, as counters and row numbers do; it is not judged" in said
    assert "--transform s00=difference" in said
    steps = [f"{name}=difference" for name in ("s00", "s01", "s02", "s03")]
    found = sentinel.analyse(path, transform=steps)
    assert found.readings["value"].drop_nulls().min() >= 0
    assert set(sentinel.analyse(path, columns=["s00"]).readings["series"]) == {"s00"}


@pytest.mark.parametrize("name", ["fall_order", "fall_interleaved"])
def test_dst_the_hour_that_comes_twice(name):
    found = observations(CASES / "dst" / f"{name}.csv", time_zone="Europe/Berlin")
    assert found.height == found["time"].n_unique() == 3840
    assert found["time"].diff().drop_nulls().dt.total_minutes().unique().to_list() == [15]


@pytest.mark.parametrize("name", ["fall_order", pytest.param("fall_interleaved", marks=pytest.mark.slow)])
def test_dst_an_hour_that_would_be_lost_is_told_with_the_option_that_keeps_it(name, capsys, tmp_path):
    path = CASES / "dst" / f"{name}.csv"
    for verb in (["inspect"], ["backtest", "--out", str(tmp_path)]):
        assert entry_point([*verb, str(path)]) == 0
        out = capsys.readouterr().out
        assert "2018-10-28 02:00 comes twice" in out
        assert "--time-zone" in out
    assert entry_point(["inspect", str(path), "--time-zone", "Europe/Berlin"]) == 0
    assert "comes twice" not in capsys.readouterr().out


def test_dst_the_hour_that_is_skipped(capsys, tmp_path):
    arguments = ["backtest", str(CASES / "dst" / "spring_standard.csv"), "--time-zone", "America/Denver"]
    assert entry_point([*arguments, "--out", str(tmp_path)]) == DataError.exit_code
    assert "x4 in the time column; this hour does not exist in America/Denver" in capsys.readouterr().err


@pytest.mark.slow
def test_fouling():
    """Four sensors that drift and are cleaned: 2 false alarms in all at most, at a budget of .5."""
    assert sentinel.analyse(CASES / "fouling" / "in.csv").alarms.height <= 2


@pytest.mark.slow
def test_sensor_swap():
    found = sentinel.analyse(CASES / "sensor-swap" / "in.csv").alarms
    assert found["series"].n_unique() <= 0.58 * 4


def declared(path: Path, kind: str, rows: Iterable[int], folder: Path) -> Path:
    """Settings that declare an event at the times of these rows."""
    times = pl.read_csv(path)["time"]
    events = [{"kind": kind, "start": times[row]} for row in rows]
    (folder / "events.yaml").write_text(yaml.safe_dump({"events": events}), encoding="utf-8")
    return folder / "events.yaml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "kind", "rows"),
    [("sensor-swap", "sensor_change", [700]), ("fouling", "calibration", [336, 672, 1008, 1344])],
)
def test_sensor_swap_and_fouling_are_re_based_by_declared_events(case, kind, rows, tmp_path):
    """Without a false alarm, where there are some without the events; and the series are judged again."""
    path = CASES / case / "in.csv"
    assert sentinel.analyse(path).alarms.height > 0
    found = sentinel.analyse(path, config=declared(path, kind, rows, tmp_path))
    assert found.alarms.height == 0
    judged = found.readings.filter(state="watching").group_by("series").len()["len"]
    assert judged.len() == 4
    assert judged.min() > 500


@pytest.mark.slow
def test_river_calibrations(tmp_path):
    """Every alarm on this river is a false one, or true and useless; declared calibrations take some away."""
    rivers = CASES.parent / "rivers"
    table = {"path": str(rivers / "main_street_calibrations.csv"), "kind": "calibration", "start_column": "end"}
    (tmp_path / "events.yaml").write_text(yaml.safe_dump({"event_files": [table | {"end_column": None}]}))
    options = {"columns": ["conductance", "ph"], "missing": ["-9999"], "season": ["1d"]}
    plain = sentinel.analyse(rivers / "main_street.csv", **options).alarms
    based = sentinel.analyse(rivers / "main_street.csv", config=tmp_path / "events.yaml", **options).alarms
    assert based.height < plain.height


@pytest.mark.slow
def test_rise_quantised():
    found = sentinel.analyse(CASES / "rise-quantised" / "in.csv")
    assert "blind" not in found.readings["state"]
    assert found.alarms["series"].n_unique() == 4
