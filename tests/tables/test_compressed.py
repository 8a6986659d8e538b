"""Compressed tables give what the plain ones give; what is cut off or damaged is a clear error."""

from __future__ import annotations

import random

import pytest

from sentinel.domain.errors import DataError
from sentinel.domain.filenames import split_rotated, without_compression
from sentinel.tables import TableOptions, file_format, open_table, parse
from sentinel.tables.recognising import recognise
from tests.sources.following import table
from tests.sources.rotating import COMPRESS

DICE = random.Random(7)
LONG = "time,n\n" + "".join(
    f"2020-01-{1 + n // 1440:02d}T{n // 60 % 24:02d}:{n % 60:02d},{DICE.random()}\n" for n in range(9_000)
)


def read(path):
    found = recognise(path, TableOptions())
    return parse(open_table(path, found.options), found.options, str(path)).observations.collect()


@pytest.mark.slow
@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("text", [table(range(90)), LONG, '{"time": "2020-01-01", "n": 1}\n' * 3])
def test_a_compressed_table_is_read_as_the_plain_one(tmp_path, ending, text):
    name = "a.ndjson" if text.startswith("{") else "a.csv"
    (tmp_path / name).write_text(text)
    (tmp_path / (name + ending)).write_bytes(COMPRESS[ending](text.encode()))
    assert read(tmp_path / (name + ending)).equals(read(tmp_path / name))


@pytest.mark.parametrize("ending", COMPRESS)
def test_the_first_bytes_tell_not_the_name(tmp_path, ending):
    (tmp_path / "a.csv").write_bytes(COMPRESS[ending](table(range(9)).encode()))
    assert read(tmp_path / "a.csv").height == 9
    (tmp_path / f"b.csv{ending}").write_text(table(range(9)))
    assert read(tmp_path / f"b.csv{ending}").height == 9


@pytest.mark.parametrize("ending", COMPRESS)
def test_parts_that_were_compressed_by_themselves_are_one_table(tmp_path, ending):
    parts = table(range(50)), table(range(50, 90)).removeprefix("time,n\n")
    (tmp_path / f"a.csv{ending}").write_bytes(b"".join(COMPRESS[ending](part.encode()) for part in parts))
    assert read(tmp_path / f"a.csv{ending}").height == 90


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_table_that_was_cut_off_is_refused_with_what_to_do(tmp_path, ending):
    path = tmp_path / f"a.csv{ending}"
    path.write_bytes(COMPRESS[ending](LONG.encode())[:-20])
    with pytest.raises(
        DataError, match=rf"a\.csv\{ending}: the \w+ data ends before its end.* compress the file again"
    ):
        read(path)


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_damaged_table_is_refused_and_never_read_as_another(tmp_path, ending):
    path, raw = tmp_path / f"a.csv{ending}", bytearray(COMPRESS[ending](LONG.encode()))
    raw[len(raw) // 2 : len(raw) // 2 + 8] = b"\x5a" * 8
    path.write_bytes(raw)
    with pytest.raises(DataError, match="copy or compress the file again"):
        read(path)


def test_a_compressed_parquet_file_or_spreadsheet_is_refused(tmp_path):
    for name in ("a.parquet.gz", "a.xlsx.gz"):
        (tmp_path / name).write_bytes(COMPRESS[".gz"](b"PAR1"))
        with pytest.raises(DataError, match="decompress it first"):
            open_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "former", "number", "date"),
    [
        ("lake.csv", "lake.csv", None, ""),
        ("lake.csv.gz", "lake.csv", None, ""),
        ("lake.csv.2", "lake.csv", 2, ""),
        ("lake.csv.12.zst", "lake.csv", 12, ""),
        ("lake.csv-20261128", "lake.csv", None, "20261128"),
        ("lake.csv-2026112813.xz", "lake.csv", None, "2026112813"),
        ("lake.csv.2026-11-28_13-05", "lake.csv", None, "202611281305"),
        ("lake-20261128.csv", "lake-20261128.csv", None, ""),
        ("lake-20261128.csv.1", "lake-20261128.csv", 1, ""),
        ("lake.v2.csv", "lake.v2.csv", None, ""),
    ],
)
def test_the_name_of_a_rotated_file_tells_its_former_name_and_its_place(name, former, number, date):
    assert split_rotated(name) == (former, number, date)


def test_a_name_that_ends_in_a_date_may_be_the_former_one():
    assert split_rotated("buoy-20261128.1", "buoy-20261128") == ("buoy-20261128", 1, "")
    assert split_rotated("buoy-20261128", "buoy-20261128")[1:] == (None, "")


def test_the_format_is_that_of_the_former_name(tmp_path):
    for name in ("a.ndjson.gz", "a.ndjson.1", "a.jsonl-20261128.bz2"):
        assert file_format(tmp_path / name, TableOptions()) == "ndjson"
    assert without_compression("a.csv.GZ") == "a.csv"
