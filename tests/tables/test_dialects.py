"""Files as people have them are read without an option, and what was recognised can be written down."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import date, time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.commands.main import parser, table_options
from sentinel.config.sources import DIALECTS as NAMES
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions, open_table, parse
from sentinel.tables.dialects import DIALECTS
from sentinel.tables.options import command_line
from sentinel.tables.recognising import recognise, recognise_text
from tests.laws import examples
from tests.tables.specimens import SPECIMENS, Specimen


def write(folder: Path, specimen: Specimen) -> Path:
    path = folder / "table.dat"
    path.write_bytes(specimen.text.encode(specimen.encoding))
    return path


def read(path: Path, options: TableOptions) -> pl.DataFrame:
    table = parse(open_table(path, options), options, path.name, strict=True)
    return table.observations.collect().sort("series", "time")


def assert_reads(path: Path, options: TableOptions, specimen: Specimen) -> None:
    found = read(path, options)
    assert tuple(found["series"].unique().sort()) == tuple(sorted(specimen.series))
    own = found.filter(series=sorted(specimen.series)[0])
    assert own["value"].to_list() == list(specimen.values)
    first = own["time"][0]
    assert (str(first) if isinstance(first, float) else first.replace(tzinfo=None).isoformat()) == specimen.first


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_file_of_each_kind_is_read_without_an_option_and_what_is_left_out_is_said(tmp_path, name):
    path = write(tmp_path, SPECIMENS[name])
    found = recognise(path, TableOptions())
    assert found.dialect == name.partition("-")[0]
    assert found.said
    assert_reads(path, found.options, SPECIMENS[name])


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_command_line_that_is_said_reads_the_file_without_recognising_anything(tmp_path, name):
    path = write(tmp_path, SPECIMENS[name])
    line = next(line for line in recognise(path, TableOptions()).said if line.startswith("read as"))
    words = shlex.split(line.partition(": ")[2])
    arguments = parser().parse_args(["plot", str(path), "--out", "x.png", "--dialect", "none", *words])
    options = table_options(arguments)
    assert_reads(path, options, SPECIMENS[name])
    assert command_line(options) == shlex.join(["--dialect", "none"]) + f" {line.partition(': ')[2]}"


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_file_that_is_being_written_waits_and_is_then_read_as_it_will_be_when_it_is_whole(tmp_path, name):
    path = write(tmp_path, SPECIMENS[name])
    whole = path.read_bytes()
    final = recognise(path, TableOptions()).options
    told = []
    # Within a line every byte is as good as another, as only whole lines are read.
    for end in [end for end in range(len(whole) + 1) if end % 7 == 0 or b"\n" in whole[max(0, end - 2) : end + 1]]:
        path.write_bytes(whole[:end])
        with path.open("rb") as file:
            found = recognise_text(file, "t", "csv", TableOptions(), whole=False)
        if found is not None:
            told.append(found.options)
    assert told, "once the first row is there it can be told"
    for options in told:
        assert options == final


def test_every_dialect_has_a_specimen_and_a_name_in_the_settings():
    assert {one.name for one in DIALECTS} == {name.partition("-")[0] for name in SPECIMENS}
    assert {"auto", "none", *(one.name for one in DIALECTS)} == set(NAMES)


def test_a_plain_tidy_table_is_read_as_it_stands_and_nothing_is_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,ph,temp\n2020-01-01,7,20\n2020-01-02,8,\n")
    found = recognise(path, TableOptions())
    assert (found.dialect, found.said) == ("plain", ())


def test_a_named_dialect_that_the_file_is_not_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,ph\n2020-01-01,7\n2020-01-02,8\n")
    with pytest.raises(DataError, match=r"a\.csv: is not a Campbell logger's TOA5 table; --dialect auto tells"):
        recognise(path, TableOptions(dialect="toa5"))


def test_options_that_are_given_win_over_those_that_are_recognised(tmp_path):
    path = write(tmp_path, SPECIMENS["swmp"])
    found = recognise(path, TableOptions(flags=("F_*=<0>,<1>",), columns=("Temp",)))
    assert read(path, found.options)["value"].to_list() == [28.1, 28.2]


CHANGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 6),
        st.sampled_from([b",", b'"', b"\n", b"#", b"\xff", b"\0", b"1e400", b"9" * 20, b"", b"\r\n", b"*/", b" "]),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=examples(50, 150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(SPECIMENS)), CHANGES)
def test_a_file_with_broken_places_is_read_or_refused(tmp_path, name, changes):
    raw = bytearray(SPECIMENS[name].text.encode(SPECIMENS[name].encoding))
    for share, length, put in changes:
        at = int(share * len(raw))
        raw[at : at + length] = put
    path = tmp_path / "table.dat"
    path.write_bytes(bytes(raw))
    with suppress(DataError):
        read(path, recognise(path, TableOptions()).options)
    with path.open("rb") as file, suppress(DataError):
        recognise_text(file, "t", "csv", TableOptions(), whole=False)


# What can be read in two ways


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        (
            "time,v\n01/01/2021,1\n01/02/2021,2\n",
            r"--time-format %d/%m/%Y \(2021-02-01 00:00\), or --time-format %m/%d/%Y \(2021-01-02 00:00\)$",
        ),
        ("time;v\n2021-01-01;1,234\n2021-01-02;1,235\n", r"--decimal , \(1\.234\), or --thousands , \(1234\)$"),
        (
            "time,v\n900,1\n800,2\n700,3\n",
            r"--time-direction backward \(ages: 900 is the oldest .*\), or --time-direction forward \(900 is the .*\)$",
        ),
    ],
)
def test_where_two_readings_are_possible_one_option_is_asked_for_and_both_are_shown(tmp_path, text, asks):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=asks) as caught:
        recognise(path, TableOptions())
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        ("time,v\n01/01/2021,1\n13/02/2021,2\n", "time_format", "%d/%m/%Y"),
        ("time;v\n2021-01-01;1,234\n2021-01-02;1,2\n", "decimal", ","),
        ("time;v\n2021-01-01;0,234\n", "decimal", ","),
        ('time,v\n2021-01-01,"1,234.5"\n', "thousands", ","),
        ("time,v\n1609459200,1\n1609459260,1\n", "time_format", "seconds"),
        ("time,v\n1609459200000,1\n", "time_format", "milliseconds"),
        ("time,v\n20210101,1\n", "time_format", "%Y%m%d"),
        ("time,v\n2021010112,1\n", "time_format", "%Y%m%d%H"),
        ("time,v\n1860,1\n1861,1\n", "time_format", None),
        ("age_ka,v\n5,1\n4,1\n", "time_direction", "backward"),
        ("year,v\n1860,1\n1861,1\n", "time_column", "year"),
        ("year CE,v\n1862,1\n1861,1\n1860,1\n", "time_direction", None),
        ("ph,sampled at\n7,2021-01-01\n7,2021-01-02\n", "time_column", "sampled at"),
        ("time,v\nThu 10 Jun 2021 00:00,1\n", "time_format", "%a %d %b %Y %H:%M"),
        ("time,v\nJun 10 2021 5:00 PM,1\n", "time_format", "%b %d %Y %I:%M %p"),
        ("ph,time\n7,2021-01-01\n7,NULL\n", "time_column", "time"),
    ],
)
def test_the_first_row_that_decides_is_enough(tmp_path, text, option, value):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert getattr(recognise(path, TableOptions()).options, option) == value


def test_data_without_names_is_refused_rather_than_lose_its_first_row(tmp_path):
    (tmp_path / "a.csv").write_text("2021-01-01,7\n2021-01-02,8\n")
    with pytest.raises(DataError, match=r"a\.csv: the first line holds data \('2021-01-01'\), not names"):
        recognise(tmp_path / "a.csv", TableOptions())


@pytest.mark.parametrize("first", [2, 1_500])
def test_two_cores_of_a_pangaea_table_were_mixed_into_one_series(tmp_path, first):
    rows = "".join(f"A\t{n / 100}\t{n / 10}\t{n % 7}\n" for n in range(first)) + "B\t0.0\t0.05\t25\n"
    text = f"/* DATA DESCRIPTION:\nCitation:\tX\n*/\nEvent\tDepth sed [m]\tAge [ka BP]\tSST\n{rows}"
    (tmp_path / "a.tab").write_text(text)
    found = recognise(tmp_path / "a.tab", TableOptions())
    assert "--by Event" in found.said[0]
    counts = read(tmp_path / "a.tab", found.options)["series"].value_counts()
    assert dict(counts.iter_rows()) == {"A/SST": first, "B/SST": 1}
    chosen = recognise(tmp_path / "a.tab", TableOptions(by=("Depth sed [m]",))).options
    assert chosen.by == ("Depth sed [m]",)


def test_a_spreadsheet_with_titles_and_a_time_of_day_in_its_own_column(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["Buoy 5"], [], ["Date", "Time", "ph"]):
        book.active.append(row)
    for hour in (0, 1, 2):
        book.active.append([date(2021, 6, 18), time(hour), 7 + hour])
    book.save(tmp_path / "a.xlsx")
    found = recognise(tmp_path / "a.xlsx", TableOptions())
    assert found.said == ("read as a table: --time-column Date --time-column Time --skip-rows 2",)
    assert read(tmp_path / "a.xlsx", found.options)["time"].dt.hour().to_list() == [0, 1, 2]


@pytest.mark.parametrize("name", ["__index_level_0__", "sampled"])
def test_a_parquet_file_of_pandas_has_its_index_as_time(tmp_path, name):
    times = pl.datetime_range(pl.datetime(2021, 1, 1), pl.datetime(2021, 1, 1, 2), "1h", time_unit="ns", eager=True)
    pl.DataFrame({"ph": [1.0, 2.0, 3.0], name: times}).write_parquet(tmp_path / "a.parquet")
    found = recognise(tmp_path / "a.parquet", TableOptions())
    assert read(tmp_path / "a.parquet", found.options)["value"].to_list() == [1.0, 2.0, 3.0]
    assert found.said == (f"read as a table: --time-column {name}",)


# Columns that are no series


def test_counters_are_not_judged_until_someone_says_how(tmp_path):
    path = tmp_path / "a.csv"
    rows = "".join(f"{n},{n * 0.5 % 60},{(-1) ** n},{n}\n" for n in range(300))
    path.write_text("time,rain,ph,row\n" + rows)
    found = recognise(path, TableOptions())
    assert found.options.exclude == ("rain", "row")
    assert "'rain' only rises" in found.said[1]
    assert "--transform rain=difference" in found.said[1]
    assert recognise(path, TableOptions(transform=("rain=difference",))).options.exclude == ("row",)
    assert recognise(path, TableOptions(columns=("rain",))).options.exclude == ()
    with pytest.raises(DataError, match="'rain' only rises"):
        recognise(path, TableOptions(exclude=("ph", "row")))


def test_flag_columns_are_no_series_and_it_is_said_how_to_use_them(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,ph,ph_qual\n1,7,0\n2,8,0\n3,9,4\n")
    found = recognise(path, TableOptions())
    assert read(path, found.options)["series"].unique().to_list() == ["ph"]
    assert found.said[1] == (
        "flags, not used: ph_qual (0 x2, 4 x1), in the first 3 rows; "
        "which codes mean good is yours to say: --flags '*_qual=CODE,CODE'"
    )
    used = recognise(path, TableOptions(flags=("*_qual=0",)))
    assert read(path, used.options)["value"].to_list() == [7.0, 8.0]


@pytest.mark.parametrize("unit", ["1e-3", "1", "PSU", ""])
def test_an_erddap_table_whose_salinity_has_a_number_for_its_unit_is_known(unit, tmp_path):
    path = tmp_path / "a.csv"
    row = "2023-02-01T0{}:00:00Z,Pier,36.6,-121.9,5,{}\n"
    path.write_text(
        f"time,station,latitude,longitude,depth,salinity\nUTC,,degrees_north,degrees_east,m,{unit}\n"
        + row.format(0, 33.0)
        + row.format(1, 33.5)
    )
    found = recognise(path, TableOptions())
    assert found.dialect == "erddap"
    table = read(path, found.options)
    assert table["series"].unique().to_list() == ["salinity"], "coordinates are no series"
    assert table["value"].to_list() == [33.0, 33.5]


def test_numbers_below_a_header_are_no_units_of_erddap(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,zone\n2023-02-01T00:00:00Z,1\n2023-02-01T01:00:00Z,2\n")
    assert recognise(path, TableOptions()).dialect == "plain"


def test_a_frequent_code_is_not_proposed_as_the_good_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,q,q_cd,h,h_cd\n1,7,A:e,1,A\n2,8,A:e,2,A\n3,9,A:e,4,\n4,9,A,1,A\n")
    (said,) = [line for line in recognise(path, TableOptions()).said if line.startswith("flags")]
    assert "q_cd (A:e x3, A x1), h_cd (A x3, empty x1), in the first 4 rows" in said
    assert "--flags '*_cd=CODE,CODE'" in said


def test_the_good_code_of_fluxnet_is_that_of_its_documentation(tmp_path):
    path = tmp_path / "a.csv"
    rows = "".join(f"2021010100{n}0,2021010100{n}5,{n}.5,{2 if n else 0}\n" for n in range(6))
    path.write_text("TIMESTAMP_START,TIMESTAMP_END,TA_F,TA_F_QC\n" + rows)
    (said,) = [line for line in recognise(path, TableOptions()).said if line.startswith("flags")]
    assert said.endswith(
        "TA_F_QC (2 x5, 0 x1), in the first 6 rows; good by the documentation of such files: --flags '*_QC=0'"
    )


@pytest.mark.parametrize(
    ("header", "row", "time_column"),
    [
        ("time,day,temp,sunrise", "2020-01-{:02d}T06:30:00Z,2020-01-01,1.5,08:12", "time"),
        ("time,date,sunset,q", "2020-01-{:02d},2020-01-01,16:30,1.5", "time"),
        ("datetime,temp,sunrise", "2020-01-{:02d},1.5,08:12", "datetime"),
        ("date,temp,sunset_time", "2020-01-{:02d},1.5,16:12", "date"),
        ("timestamp,date,time,temp", "2020-01-{:02d} 06:30,2020-01-01,06:30,1.5", "timestamp"),
        ("Date,Time,temp,sunrise", "2020-01-{:02d},06:30,1.5,08:12", ("Date", "Time")),
    ],
)
def test_the_time_of_a_sunrise_was_added_to_the_time(header, row, time_column, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *(row.format(n) for n in range(1, 13)), ""]))
    assert recognise(path, TableOptions()).options.time_column == time_column


def test_a_time_of_day_that_is_not_added_to_the_date_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("date,LST,temp\n2020-01-01,06:30,1.5\n2020-01-02,06:45,1.5\n")
    (said,) = recognise(path, TableOptions()).said[1:]
    assert said.endswith("not used: LST; to add it to the date: --time-column date --time-column LST")


@pytest.mark.parametrize("mark", [" ", "'", "\u00a0"])
@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["0,5", "999,5", "1 000", "998,5", "1 250,5"], [0.5, 999.5, 1000.0, 998.5, 1250.5]),
        (["1 000", "999", "1 250,5", "7"], [1000.0, 999.0, 1250.5, 7.0]),
        (["1 000", "0.5", "1 250.5"], [1000.0, 0.5, 1250.5]),
    ],
)
def test_a_decimal_comma_was_lost_beside_a_blank_between_thousands(cells, values, mark, tmp_path):
    path = tmp_path / "a.csv"
    lines = [f"2020-01-0{n + 1};{cell.replace(' ', mark)}" for n, cell in enumerate(cells)]
    path.write_text("\n".join(["time;q", *lines, ""]))
    assert read(path, recognise(path, TableOptions()).options)["value"].to_list() == values


def write_hobo(folder: Path, offset: str) -> Path:
    path = folder / "a.csv"
    rows = "".join(f"{n},0{n}/13/24 10:00:00 AM,{n}.5\n" for n in range(1, 8))
    path.write_text(f'#,"Date Time, GMT{offset}",Temp\n{rows}')
    return path


@pytest.mark.parametrize(
    ("offset", "first"),
    [("+05:30", "04:30"), ("+05:45", "04:15"), ("-09:30", "19:30"), ("+09:30", "00:30"), ("-05:00", "15:00"),
     ("+14:00", "20:00"), ("+00:00", "10:00")],
)  # fmt: skip
def test_times_of_a_hobo_logger_with_half_an_hour_in_its_offset_were_read_as_utc(offset, first, tmp_path):
    path = write_hobo(tmp_path, offset)
    assert f"{read(path, recognise(path, TableOptions()).options)['time'][0]:%H:%M}" == first


def test_an_offset_of_a_hobo_logger_for_which_no_zone_has_a_name_is_asked_about(tmp_path):
    path = write_hobo(tmp_path, "-03:30")
    with pytest.raises(DataError, match=r"a\.csv: its times are -03:30 from UTC.*--time-zone"):
        recognise(path, TableOptions())
    options = recognise(path, TableOptions(time_zone="America/St_Johns")).options
    assert f"{read(path, options)['time'][0]:%H:%M}" == "13:30"


@pytest.mark.parametrize(
    ("head", "row"),
    [
        (" yyyy mm dd hh  wind  temp", " 2021 01 01 {hour:02}  8.1  {value}"),
        ("  yyyy  mm  tmax  temp", "  {year}  02  8.1  {value}"),
        ("  yyyy  mm  tmax  tmin  temp", "  {year}  02  8.1  7.1  {value}"),
        ("Port: A,,\ntime,temp,ph", "{year}-02-01,{value},7.5"),
    ],
)
def test_tables_that_begin_like_those_of_an_office_lost_a_row_or_their_times(head, row, tmp_path):
    """They were read as the Met Office's, with the hour for a value, or as one of tide gauges with nothing in it."""
    path = tmp_path / "a.txt"
    path.write_text("\n".join([head, *(row.format(hour=n, year=2000 + n, value=n / 4) for n in range(24)), ""]))
    with path.open("rb") as file:
        following = recognise_text(file, "t", "csv", TableOptions(), whole=False)
    for found in (recognise(path, TableOptions()), following):
        table = read(path, found.options).filter(series="temp")
        assert table["value"].to_list() == [n / 4 for n in range(24)]
        assert table["time"].n_unique() == 24
