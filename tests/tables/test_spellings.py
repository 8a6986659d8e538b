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


def test_months_in_german_with_a_year_alone_were_no_times(tmp_path):
    cells = [f"{name} 2021" for name in MONTHS["German"].split()]
    assert times(tmp_path, "Datum", cells) == [date(2021, month, 1) for month in range(1, 13)]


@pytest.mark.parametrize("form", ["{0}Q{1}", "{0}-Q{1}", "{0} Q{1}", "Q{1} {0}", "Q{1}-{0}"])
def test_quarters_were_no_times(tmp_path, form):
    cells = [form.format(year, quarter) for year in range(1999, 2021) for quarter in range(1, 5)]
    expected = [date(year, month, 1) for year in range(1999, 2021) for month in (1, 4, 7, 10)]
    assert times(tmp_path, "quarter date", cells) == expected


def test_serials_of_1904_are_never_guessed_both_readings_are_shown_and_one_option_takes_either(tmp_path):
    asked = refusal(tmp_path, "Date,ph\n42903.5,7\n42904.5,8\n")
    assert "--time-format excel (2017-06-17 12:00)" in asked
    assert "--time-format excel1904 (2021-06-18 12:00)" in asked
    for form, day in (("excel", date(2017, 6, 17)), ("excel1904", date(2021, 6, 18))):
        assert times(tmp_path, "Date", ["42903.5"], time_column="Date", time_format=form) == [day]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("cell", ['="{}"', '"=""{}"""'])
def test_cells_that_are_formulas_of_a_text_are_read_as_it_their_quotes_made_them_no_numbers(tmp_path, cell, separator):
    rows = [("time", "pH", "ok"), *((f"2021-06-{day:02d}", f"{day}.5", "a") for day in range(1, 29))]
    text = "".join(separator.join(cell.format(one) for one in row) + "\r\n" for row in rows)
    assert values(read(tmp_path, text), "pH") == [day + 0.5 for day in range(1, 29)]
    assert "cells are formulas" in said(tmp_path)


def test_a_formula_within_a_text_is_left_as_it_is(tmp_path):
    assert values(read(tmp_path, 'time,ph,note\n2021-06-01,7,a ="1" b\n2021-06-02,8,x="2"\n'), "ph") == [7, 8]
    assert "formulas" not in said(tmp_path)


@pytest.mark.parametrize(
    ("first", "second"),
    [("%Y-%m-%d", "%d.%m.%Y"), ("%m/%d/%Y", "%Y-%m-%d"), ("%Y-%m-%d", "%Y%m%d"), ("%Y-%m-%d", "%d %B %Y")],
)
def test_the_same_times_in_two_forms_are_one_they_were_refused_as_two_tables_side_by_side(tmp_path, first, second):
    days = [date(2021, 6, day) for day in range(1, 29)]
    rows = "".join(f"{day:{first}},{day.day},{day:{second}},{40 + day.day}\n" for day in days)
    table = read(tmp_path, f"date,a,date2,b\n{rows}")
    assert (values(table, "a"), values(table, "b")) == ([*range(1, 29)], [*range(41, 69)])
    assert set(table.shape.values) == {"a", "b"}
    assert "once more, in another form, no series: date2" in said(tmp_path)


@pytest.mark.parametrize("note", ["a;b", "x;y;z", "ok;", "1;2;3"])
def test_a_semicolon_in_a_note_separates_no_columns_of_blanks_the_first_row_became_the_names(tmp_path, note):
    rows = "".join(f"A 2021-06-{day:02d} {day}.5 {note}\n" for day in range(1, 29))
    assert values(read(tmp_path, f"site time value note\n{rows}"), "value") == [day + 0.5 for day in range(1, 29)]


def test_two_names_that_a_kind_of_file_gives_alike_ended_in_a_crash_of_the_library(tmp_path):
    path = tmp_path / "lake.csv"
    options = TableOptions(dialect="none", names=("time", "ph", "ph", ""))
    path.write_text("2021-06-01,7,8,9\n2021-06-02,8,9,10\n")
    assert parse(open_table(path, options), options, "lake.csv").shape.values == ("ph", "ph (2)")
