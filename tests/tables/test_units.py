"""The unit of a value goes from the file, or from the settings, to every place where the value is shown."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from openpyxl import Workbook

import sentinel
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.domain.spans import DAY
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.snapshot import Snapshot
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.recognising import recognise
from sentinel.tables.units import column_of, find_units, unit_of
from sentinel.views.web.pages import series_as_json
from tests.pipeline.streams import batch_of
from tests.tables.specimens import SPECIMENS

ROWS = "".join(f"2020-01-{day:02},{7 + day % 3},{day}.5\n" for day in range(1, 31))


@pytest.mark.parametrize(
    ("text", "units"),
    [
        (f"time,oxygen [mg/L],temp (°C)\n{ROWS}", {"oxygen [mg/L]": "mg/L", "temp (°C)": "°C"}),
        (f"time,oxygen,temp\n,mg/L,degC\n{ROWS}", {"oxygen": "mg/L", "temp": "degC"}),
        (f"time,oxygen,temp\nUTC,mg/L,\n{ROWS}", {"oxygen": "mg/L"}),
        (f"time,oxygen,temp (2)\n{ROWS}", {}),
        (f"time,DO (LGR S/N: 204),Temp [SEN S/N: 204]\n{ROWS}", {}),
    ],
)
def test_units_come_from_names_and_from_a_row_of_units(tmp_path, text, units):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    found = recognise(path, TableOptions())
    columns = text.partition("\n")[0].split(",")
    got = find_units(path, found.options, columns)
    assert {name: unit for name, unit in got.items() if name != "time"} == units


def test_a_row_of_units_in_a_spreadsheet_was_an_observation_without_a_time(tmp_path):
    book = Workbook()
    rows = [(f"{day:02}.01.2022", f"{day % 3:02}:00", f"30{day % 7},5", f"1{day % 5},5") for day in range(1, 31)]
    for row in (("Pegel Nord",), ("Datum", "Zeit", "Stand", "Temperatur"), (None, None, "cm", "(°C)"), *rows):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    options = recognise(tmp_path / "a.xlsx", TableOptions()).options
    assert (options.skip_rows, options.unit_rows) == (1, 1)
    parsed = parse(open_table(tmp_path / "a.xlsx", options), options, "a", strict=True)
    assert parsed.observations.collect().height == 60
    assert find_units(tmp_path / "a.xlsx", options, ["Stand", "Temperatur"]) == {"Stand": "cm", "Temperatur": "°C"}


def test_the_serial_numbers_in_a_name_of_hoboware_were_its_unit(tmp_path):
    path = tmp_path / "hobo.csv"
    rows = "".join(f"2020-01-{day:02},{7 + day % 3},{day}.5,\n" for day in range(1, 31))
    names = ["DO conc, mg/L (LGR S/N: 20412, SEN S/N: 204)", "Temp, °C (LGR S/N: 20412)", "Stopped (LGR S/N: 20412)"]
    path.write_text("time," + ",".join(f'"{name}"' for name in names) + f"\n{rows}", encoding="utf-8")
    units = find_units(path, recognise(path, TableOptions()).options, ["time", *names])
    assert units == {names[0]: "mg/L", names[1]: "°C"}


def test_the_widths_of_the_columns_of_an_rdb_table_were_their_units(tmp_path):
    path = tmp_path / "usgs.rdb"
    path.write_text(SPECIMENS["rdb"].text)
    options = recognise(path, TableOptions()).options
    assert options.unit_rows == 1
    assert find_units(path, options, ["agency_cd", *SPECIMENS["rdb"].series]) == {}


def test_the_unit_of_a_logarithm_is_no_longer_that_of_the_value(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"time,chl [ug/L],temp\n{ROWS}")
    options = recognise(path, TableOptions(transform=("chl*=log",))).options
    assert find_units(path, options, ["time", "chl [ug/L]", "temp"]) == {"chl [ug/L]": "log ug/L"}


def test_a_unit_stands_in_the_settings_that_inspect_prints_and_they_are_read_back(tmp_path, capsys):
    path = tmp_path / "table.dat"
    path.write_text(SPECIMENS["toa5"].text)
    assert entry_point(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert "BattV [Volts]: 3 values" in said
    settings = Settings.model_validate(yaml.safe_load(said[said.index("sources:") :]))
    assert settings.series_for("BattV").unit == "Volts"


def test_the_unit_of_the_settings_is_in_the_json_and_changes_no_plan():
    def view(unit: str):
        settings = Settings.model_validate({"series": [{"match": "s0", "cadence": "1d", "unit": unit}]})
        pipeline = Pipeline(settings)
        state, _ = pipeline.advance(pipeline.init(), batch_of(np.arange(90.0)[:, None] % 7, cadence_us=DAY))
        return state.keys, Snapshot(pipeline, state, taken_us=0).view("s0")

    (plans, plain), (same, told) = view(""), view("mg/L")
    assert (plain.unit, told.unit) == ("", "mg/L")
    assert series_as_json(told)["unit"] == "mg/L"
    assert plans == same, "the series goes on"


@pytest.mark.slow
def test_report_and_picture_have_the_unit_of_the_file_and_that_of_the_settings_wins(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"time,oxygen,temp\n,mg/L,degC\n{ROWS}")
    assert entry_point(["backtest", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "mg/L" in page
    assert "degC" in page
    (axis, *_) = sentinel.analyse(path).plot("oxygen").axes
    assert axis.get_ylabel() == "oxygen [mg/L]"
    config = Settings.model_validate({"series": [{"match": "oxygen", "unit": "mg O2/L"}]})
    (axis, *_) = sentinel.analyse(path, config=config).plot("oxygen").axes
    assert axis.get_ylabel() == "oxygen [mg O2/L]"


@pytest.mark.parametrize(
    ("series", "column"),
    [
        ("oxygen [mg/L]", "oxygen [mg/L]"),
        ("peter/oxygen (mg/L)", "oxygen (mg/L)"),
        ("lake/peter/DO, mg/L (LGR S/N: 1)", "DO, mg/L (LGR S/N: 1)"),
        ("101/ODO mg/L", "ODO mg/L"),
        ("flow m3/s", "flow m3/s"),
        ("peter/ph", "ph"),
        ("ph", "ph"),
    ],
)
def test_the_stroke_of_a_unit_cut_the_name_of_a_series_in_pictures(series, column):
    assert column_of(series) == column
    assert unit_of({column: "x"}, series) == "x"
