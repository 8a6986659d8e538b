"""The quick reading of plain tables gives what the thorough one gives, or leaves the table to it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.analysis import typed
from sentinel.analysis.intake import read_files
from sentinel.analysis.typed import read_typed
from sentinel.domain.errors import DataError
from sentinel.tables import Parsed, TableOptions, open_table, parse
from sentinel.tables.recognising import recognise
from tests.laws import examples

NUMBER = st.floats(-1e9, 1e9).map(lambda x: f"{x:.6g}") | st.integers(-999, 999).map(str)
ODD = st.sampled_from(
    ["", " ", "NA", "nan", "NaN", "inf", "-inf", "1e999", "-0.0", "+5", "1.", ".5", "1e5", "1_0", "0x10", "1d3", " 1",
     "1 ", "-", "--", ".", "?", "null", "-9999", "9999", "1,5", "<0.5", "ok", "\u0663", "#", "1;2", '"3"', "\ufeff1"]
)  # fmt: skip
CELL = st.integers(0, 30).flatmap(lambda n: ODD if n == 0 else NUMBER)
CLOCK = st.sampled_from(["{d}", "{d}T{t}", "{d} {t}", "{d}T{t}Z", "{d}T{t:.5}", "{d} {t}+01:00"])
ODD_TIME = st.sampled_from(
    ["", "2020-1-5", "2020-13-01", "2020-02-30", "2020-01-01T24:00:00", "2020-01-01T10:00:60", "0000-01-01", "12",
     "2020-01-01t00:00:00", "+020-01-01", "2020-01-01T00:00:00.5", "sum"]
)  # fmt: skip
NAME = st.sampled_from(["a", "b", " c ", "d/e", "\N{GREEK SMALL LETTER ALPHA}"])


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Text of a table, wide or long, mostly plain."""
    rows, form = draw(st.integers(1, 7)), draw(CLOCK)
    numbered = draw(st.booleans())
    times = [
        str(n * 0.5) if numbered else form.format(d=f"2020-01-{1 + n:02}", t=f"{n % 24:02}:30:00") for n in range(rows)
    ]
    if draw(st.integers(0, 5)) == 0:
        times[draw(st.integers(0, rows - 1))] = draw(ODD_TIME)
    if draw(st.booleans()):
        width = draw(st.integers(1, 4))
        header = ["time", *(f"s{n}" for n in range(width))]
        lines = [[time, *draw(st.lists(CELL, min_size=width, max_size=width))] for time in times]
    else:
        header = ["series", "time", "value"]
        lines = [[draw(NAME), time, draw(CELL)] for time in times]
    if draw(st.integers(0, 8)) == 0:
        lines[draw(st.integers(0, rows - 1))] = draw(st.sampled_from([[], ["", ""], ["x"], ["2020-01-01"] * 9]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return (end.join(",".join(line) for line in [header, *lines]) + draw(st.sampled_from(["", end]))).encode()


def thoroughly(path: Path, options: TableOptions) -> tuple[Parsed, pl.DataFrame]:
    parsed = parse(open_table(path, options), options, str(path), strict=True)
    return parsed, parsed.observations.collect(engine="streaming")


def assert_same(path: Path, options: TableOptions) -> bool:
    """True if the table was read quickly, and then as thoroughly."""
    quick = read_typed(path, options)
    if quick is None:
        return False
    parsed, observations = thoroughly(path, options)
    assert quick.observations.collect().equals(observations)
    assert quick.observations.collect_schema() == parsed.observations.collect_schema()
    for part in ("axis", "shape", "rejected", "complaints", "marks", "refusal"):
        assert getattr(quick, part) == getattr(parsed, part), part
    return True


@pytest.mark.slow
@settings(max_examples=examples(50, 250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=tables())
def test_whatever_a_table_holds_the_outcome_is_that_of_the_thorough_reading(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    try:
        options = recognise(path, TableOptions()).options
    except DataError:
        return
    assert_same(path, options)


@pytest.mark.parametrize("form", ["wide", "long", "numbered", "open"])
def test_plain_tables_are_read_quickly_in_the_order_of_the_thorough_reading(tmp_path, monkeypatch, form) -> None:
    monkeypatch.setattr(typed, "STREAM_BYTES", 1000)
    monkeypatch.setattr("sentinel.tables.reading.STREAM_BYTES", 1000)
    # `late` begins behind the first piece of the file: the order of the series is that of the pieces.
    lines = [
        f"2020-01-{1 + n // 24:02}T{n % 24:02}:00:00,{n % 11 if n > 80 else ''},{n % 7 / 7:.5f}" for n in range(300)
    ]
    text = "time,late,early\n" + "\n".join(lines) + ("" if form == "open" else "\n")
    if form == "long":
        text = "series,time,value\n" + "".join(f"s{n % 7},2020-01-{1 + n // 12:02},{n % 5}\n" for n in range(300))
    if form == "numbered":
        text = "time,a\n" + "".join(f"{n / 3},{n % 5}\n" for n in range(300))
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    assert assert_same(path, recognise(path, TableOptions()).options)


@pytest.mark.slow
def test_the_same_table_is_taken_in_and_refused_in_the_same_words(tmp_path, monkeypatch) -> None:
    path = tmp_path / "table.csv"
    for cell in ("7", "", "seven", "inf"):
        path.write_text(f"time,a\n2020-01-01,1\n2020-01-02,{cell}\n2020-01-03,3\n", encoding="utf-8")
        told = []
        for reader in (typed.read_typed, lambda *_: None):
            monkeypatch.setattr("sentinel.analysis.intake.read_typed", reader)
            try:
                taken = read_files([path], TableOptions())
                told.append(repr((taken.observations.collect().rows(), taken[1:])))
            except DataError as error:
                told.append(str(error))
        assert told[0] == told[1]
