"""Spellings that were refused, though people have them: each is read, or asked about with one option."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.forms import forms_of
from sentinel.tables.recognising import recognise
from tests.tables.test_misread import read, refusal, values

MONTHS = {
    "German": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "abbreviated": "Jan. Febr. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "short": "jan feb mär apr mai jun jul aug sep okt nov dez",
    "French": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "Spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}


def said(folder: Path) -> str:
    return "\n".join(recognise(folder / "lake.csv", TableOptions()).said)


def times(folder: Path, name: str, cells: list[str], **options: object) -> list[date]:
    table = read(folder, f"{name};ph\n" + "".join(f"{cell};{n}\n" for n, cell in enumerate(cells)), **options)
    assert table.refusal is None
    return [time.date() for time in table.observations.collect()["time"]]


@pytest.mark.parametrize("form", ["{0}. {1} 2021", "{0} {1} 2021", "{0}-{1}-2021", "{0}. {1} 2021 00:15"])
@pytest.mark.parametrize("language", MONTHS)
def test_months_in_the_languages_of_those_who_wrote_them_were_no_times(tmp_path, language, form):
    cells = [form.format(day, name) for name in MONTHS[language].split() for day in (3, 28)]
    expected = [date(2021, month, day) for month in range(1, 13) for day in (3, 28)]
    assert times(tmp_path, "Datum", cells) == expected


@pytest.mark.parametrize("cell", ["Marsh 2019", "3 Junk 2021", "12-Decay-2021", "Mayfly 2001"])
def test_words_that_begin_as_months_do_are_none(cell):
    assert forms_of(cell) == []


def test_months_in_german_with_a_year_alone_are_read_by_their_form(tmp_path):
    cells = [f"{name} 2021" for name in MONTHS["German"].split()]
    options = {"time_column": "Datum", "time_format": "%B %Y"}
    assert times(tmp_path, "Datum", cells, **options) == [date(2021, month, 1) for month in range(1, 13)]


@pytest.mark.parametrize("form", ["{0}Q{1}", "{0}-Q{1}", "{0} Q{1}", "Q{1} {0}", "Q{1}-{0}"])
def test_quarters_are_read_by_their_form(tmp_path, form):
    cells = [form.format(year, quarter) for year in range(1999, 2021) for quarter in range(1, 5)]
    expected = [date(year, month, 1) for year in range(1999, 2021) for month in (1, 4, 7, 10)]
    options = {"time_column": "when", "time_format": form.format("%Y", "%q")}
    assert times(tmp_path, "when", cells, **options) == expected


@pytest.mark.parametrize(
    "sample", ["Q2-20{:02d}", "20{:02d}Q1", "Mai 20{:02d}", "Mars 20{:02d}", "AGO-20{:02d}", "1.DEC.10{:02d}"]
)
def test_a_sample_called_as_a_quarter_or_a_month_took_the_place_of_the_time_behind_it(tmp_path, sample):
    rows = "".join(f"{sample.format(day)},2021-06-{day:02d},{day}\n" for day in range(1, 29))
    table = read(tmp_path, f"Sample,Measured,pH\n{rows}")
    assert table.observations.collect()["time"][0].date() == date(2021, 6, 1)


@pytest.mark.parametrize("form", ["%b. %d, %Y", "%d-%b.-%Y", "%d. %b. %Y", "Mars %d %b %Y"])
def test_a_form_that_is_given_fits_as_it_is_written(tmp_path, form):
    days = [date(2021, 3, day) for day in range(1, 29)]
    text = "when;ph\n" + "".join(f"{day:{form}};{n}\n" for n, day in enumerate(days))
    table = read(tmp_path, text, time_column="when", time_format=form)
    assert [time.date() for time in table.observations.collect()["time"]] == days


@pytest.mark.parametrize("name", ["soil 5-10-15 cm depth", "Messung ab 1.6.2021 bis heute", "serial 12-34-5678 temp"])
def test_a_name_with_a_date_or_a_range_in_it_is_one_below_a_title(tmp_path, name):
    rows = "".join(f"2021-06-{day:02d},{day},1\n" for day in range(1, 29))
    assert values(read(tmp_path, f"Station X\nLogger 5\ntime,{name},ph\n{rows}"), name) == [*range(1, 29)]


def test_serials_of_1904_are_never_guessed_both_readings_are_shown_and_one_option_takes_either(tmp_path):
    asked = refusal(tmp_path, "Date,ph\n42903.5,7\n42904.5,8\n")
    assert "--time-format excel (2017-06-17 12:00)" in asked
    assert "--time-format excel1904 (2021-06-18 12:00)" in asked
    for form, day in (("excel", date(2017, 6, 17)), ("excel1904", date(2021, 6, 18))):
        assert times(tmp_path, "Date", ["42903.5"], time_column="Date", time_format=form) == [day]


@pytest.mark.parametrize("note", ["a;b", "x;y;z", "ok;", "1;2;3"])
def test_a_semicolon_in_a_note_separates_no_columns_of_blanks_the_first_row_became_the_names(tmp_path, note):
    rows = "".join(f"A 2021-06-{day:02d} {day}.5 {note}\n" for day in range(1, 29))
    assert values(read(tmp_path, f"site time value note\n{rows}"), "value") == [day + 0.5 for day in range(1, 29)]


def test_two_names_that_a_kind_of_file_gives_alike_ended_in_a_crash_of_the_library(tmp_path):
    path = tmp_path / "lake.csv"
    options = TableOptions(dialect="none", names=("time", "ph", "ph", ""))
    path.write_text("2021-06-01,7,8,9\n2021-06-02,8,9,10\n")
    assert parse(open_table(path, options), options, "lake.csv").shape.values == ("ph", "ph (2)")
