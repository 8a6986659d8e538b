"""Files that were read wrongly without a word: each test names what was taken for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel.domain.errors import DataError
from sentinel.tables import Parsed, TableOptions, open_table, parse
from sentinel.tables.recognising import recognise

HOURS = [f"2021-06-18 {hour:02d}:00" for hour in range(24)]


def read(folder: Path, text: str, encoding: str = "utf-8", **options: object) -> Parsed:
    path = folder / "lake.csv"
    path.write_text(text, encoding, newline="")
    found = recognise(path, TableOptions(**options))
    return parse(open_table(path, found.options), found.options, path.name)


def refusal(folder: Path, text: str) -> str:
    """What is said of a file that is refused, by either of the two that do."""
    try:
        found = read(folder, text).refusal
    except DataError as error:
        return str(error)
    assert found is not None
    return found.message


def values(table: Parsed, series: str) -> list[float]:
    return table.observations.collect().filter(series=series).sort("time")["value"].to_list()


@pytest.mark.parametrize("name", ["age_CE", "age_AD", "Age (CE)", "Age [a AD]"])
def test_an_age_of_the_common_era_runs_forward_it_was_turned_around_and_a_rise_of_lag_1_was_a_fall(tmp_path, name):
    rows = "".join(f"{1900 + year}\t{year}\n" for year in range(30))
    assert values(read(tmp_path, f"{name}\tring\n{rows}"), "ring") == list(range(30))


@pytest.mark.parametrize("name", ["age_calBP", "Age [ka BP]", "Age (cal yr BP/AD)", "Year BP"])
def test_an_age_before_present_still_runs_backward(tmp_path, name):
    rows = "".join(f"{10 + year}\t{year}\n" for year in range(30))
    assert values(read(tmp_path, f"{name}\tring\n{rows}"), "ring") == list(range(30))[::-1]


def test_the_head_of_a_logger_that_started_anew_is_no_row_whatever_its_program_is_called(tmp_path):
    head = '"TIMESTAMP","RECORD","DO"\n"TS","RN","mg/L"\n"","","Avg"\n'
    station = '"TOA5","steg","CR1000X","{}"\n'
    first, second = ("".join(f'"{time}:00",{n},{n}\n' for n, time in enumerate(HOURS[at : at + 12])) for at in (0, 12))
    table = read(tmp_path, station.format(1) + head + first + station.format(2) + head + second)
    assert table.refusal is None
    assert values(table, "DO") == [*range(12), *range(12)]
    assert table.marks == {"TIMESTAMP": 3}


def test_names_that_come_again_in_another_order_are_refused_with_no_advice_that_would_swap_the_columns(tmp_path):
    rows = [f"{time},{n},{20 + n}\n" for n, time in enumerate(HOURS)]
    text = f"time,ph,temp\n{''.join(rows[:12])}time,temp,ph\n{''.join(rows[12:])}"
    said = refusal(tmp_path, text)
    assert "row 13" in said
    assert "--missing" not in said
    assert "split the file" in said
