"""Oddities of raw files as loggers and archives write them: each test names what was misread, or refused in vain."""

from __future__ import annotations

import pytest

from sentinel.analysis.intake import read_files
from sentinel.domain.errors import DataError
from sentinel.tables import TableOptions
from tests.tables.test_misread import dated, read, refusal, said, series_of, values

STAMPS = [f"18/06/2021 {hour % 12 or 12}:00:00" for hour in range(24)]


@pytest.mark.parametrize(
    ("am", "pm"), [("a.m.", "p.m."), ("a. m.", "p. m."), ("A.M.", "P.M."), ("a.\xa0m.", "p.\xa0m."), ("am", "pm")]
)
@pytest.mark.parametrize("joined", [True, False])
def test_points_in_am_and_pm_are_read_such_times_had_no_known_form(tmp_path, am, pm, joined):
    stamps = [f"{stamp} {am if hour < 12 else pm}" for hour, stamp in enumerate(STAMPS)]
    stamps = stamps if joined else [stamp.replace(" ", ",", 1) for stamp in stamps]
    rows = "".join(f"{stamp},{hour}\n" for hour, stamp in enumerate(stamps))
    found = read(tmp_path, f"{'when' if joined else 'Date,Time'},temp\n{rows}").observations.collect().sort("time")
    assert found["time"].dt.hour().to_list() == list(range(24))
    assert found["value"].to_list() == list(range(24))


@pytest.mark.parametrize("dash", ["\N{EN DASH}", "\N{MINUS SIGN}"])
def test_the_dashes_of_printers_are_minus_signs_the_en_dash_was_no_number(tmp_path, dash):
    assert values(read(tmp_path, series_of("temp", [f"{dash}1,5", "2,5", f"1,5E{dash}1"])), "temp") == [-1.5, 2.5, 0.15]
    assert values(read(tmp_path, series_of("temp", ["1.5", dash, "2.5"])), "temp") == [1.5, 2.5]


def test_totals_of_months_among_days_are_no_days_they_were_the_first_of_the_month(tmp_path):
    days = [f"2021-{month:02d}-{day:02d},{day}\n" for month in (6, 7) for day in range(2, 30)]
    text = f"date,flow\n{''.join(days[:28])}2021-06,434\n{''.join(days[28:])}2021-07,434\n2021,868\n"
    asked = refusal(tmp_path, text)
    assert "'2021-06' x2" in asked
    assert "--missing 'date=*'" in asked
    assert "does not exist" not in asked
    table = read(tmp_path, text, missing=("date=*",))
    assert table.refusal is None
    assert table.marks == {"2021": 1, "2021-06": 1, "2021-07": 1}
    assert values(table, "flow") == [*range(2, 30)] * 2


def test_months_alone_are_still_read(tmp_path):
    text = "date,flow\n" + "".join(f"2021-{month:02d},{month}\n" for month in range(1, 13))
    assert values(read(tmp_path, text), "flow") == [*range(1, 13)]


NOTES = "Mean,10.2\nbattery changed on 20 June,\n(c) Agency 2021\n"


def test_notes_and_totals_with_digits_are_left_out_by_one_option_nothing_took_them(tmp_path):
    text = dated("ph", map(str, range(30))) + NOTES
    assert "--missing 'date=*'" in refusal(tmp_path, text)
    table = read(tmp_path, text, missing=("date=*",))
    assert table.refusal is None
    assert sum(table.marks.values()) == 3
    assert values(table, "ph") == list(range(30))


def test_an_option_that_leaves_out_rows_is_not_advised_for_times_in_another_form(tmp_path):
    text = dated("ph", map(str, range(30))).replace("2021-01-05", "01/05/2021")
    assert "date=*" not in refusal(tmp_path, text + NOTES)


@pytest.mark.parametrize(
    "date", ["1. März 2021", "1 août 2021", "Mai 1 2021", "2021 Mar 1", "2021-02-30", "31.02.2021"]
)
def test_dates_of_another_form_or_of_no_calendar_are_no_notes_the_advice_lost_them(tmp_path, date):
    text = dated("ph", map(str, range(30))).replace("2021-01-05", date)
    assert date in (asked := refusal(tmp_path, text))
    assert "--missing" not in asked
    assert "--time-format" in asked


def test_months_above_the_days_are_values_the_advice_lost_them(tmp_path):
    text = dated("ph", map(str, range(30))).replace("\n", "\n2019-01,7\n2019-02,8\n", 1)
    assert "'2019-01' x2" in (asked := refusal(tmp_path, text))
    assert "--missing" not in asked


def test_rows_without_a_time_of_two_columns_are_left_out_too(tmp_path):
    rows = "".join(f"2021-06-18;{hour:02d}:00;{hour}\n" for hour in range(24))
    table = read(tmp_path, f"Date;Time;ph\n{rows}Mean;;11.5\n", missing=("Date Time=*",))
    assert table.refusal is None
    assert values(table, "ph") == list(range(24))


def test_a_second_that_no_clock_has_is_advised_to_be_left_out(tmp_path):
    rows = "".join(f"2016-12-31T23:59:{second:02d}Z,{second}\n" for second in range(61))
    assert "--missing 'time=*'" in refusal(tmp_path, f"time,v\n{rows}")
    assert read(tmp_path, f"time,v\n{rows}", missing=("time=*",)).marks == {"2016-12-31T23:59:60Z": 1}


def test_numbers_that_all_have_three_digits_behind_a_point_are_said_to_be_read_as_decimals(tmp_path):
    cells = [f"1.{200 + 37 * n % 300}" for n in range(24)]
    assert "(1200): --decimal , --thousands ." in said(tmp_path, series_of("flow", cells))
    assert values(read(tmp_path, series_of("flow", cells)), "flow")[:2] == [1.2, 1.237]
    assert "between thousands" not in said(tmp_path, series_of("flow", [*cells[:23], "0.950"]))
    assert "between thousands" not in said(tmp_path, series_of("flow", cells, ","))
    assert "between thousands" not in said(tmp_path, series_of("flow", cells, "\t"))
    assert "between thousands" not in said(tmp_path, series_of("flow", cells), thousands=",")


PAIRS = "".join(f"2021-06-18 {hour:02d}:00,{hour},{1 + 3 * (hour == 5)},{30 + hour},1\n" for hour in range(24))


@pytest.mark.parametrize("name", ["flag", "QC"])
def test_flags_of_one_name_are_no_series_and_each_judges_the_value_before_it(tmp_path, name):
    text = f"time,temp,{name},ph,{name}\n{PAIRS}"
    assert read(tmp_path, text).shape.values == ("temp", "ph")
    assert f"--flags {name}=CODE" in said(tmp_path, text)
    judged = read(tmp_path, text, flags=(f"{name}=1",))
    assert values(judged, "temp") == [hour for hour in range(24) if hour != 5]
    assert values(judged, "ph") == [30 + hour for hour in range(24)]


def test_flags_of_one_name_before_their_values_judge_those(tmp_path):
    rows = "".join(f"{','.join(row.split(',')[n] for n in (0, 2, 1, 4, 3))}\n" for row in PAIRS.splitlines())
    judged = read(tmp_path, f"time,flag,temp,flag,ph\n{rows}", flags=("flag=1",))
    assert (len(values(judged, "temp")), len(values(judged, "ph"))) == (23, 24)


def test_two_tables_side_by_side_are_asked_about_the_second_had_the_times_of_the_first(tmp_path):
    rows = "".join(f"2021-06-{day:02d} 00:00,{day},2021-06-{day:02d} 00:30,{40 + day}\n" for day in range(1, 30))
    asked = refusal(tmp_path, f"Date,Temp A,Date,Temp B\n{rows}")
    assert "--time-column Date --columns 'Temp A'" in asked
    assert "--time-column 'Date (2)' --columns 'Temp B'" in asked
    table = read(tmp_path, f"Date,Temp A,Date,Temp B\n{rows}", time_column="Date (2)", columns=("Temp B",))
    assert f"{table.observations.collect()['time'][0]:%H:%M}" == "00:30"
    assert read(tmp_path, f"Date,Temp A,Date,Temp B\n{rows.replace('00:30', '00:00')}").refusal is None


@pytest.mark.parametrize(
    ("names", "form"),
    [
        ("date,temp,date2", "2021-06-{0:02d} 00:00,{0},{0:02d}.06.2021 00:00"),
        ("Time1,temp,Time2", "2021-06-{0:02d} 00:00,{0},2021-06-{0:02d} 01:00"),
        ("date,time,temp,time_2", "2021-06-{0:02d},00:00,{0},00:15"),
        ("TIMESTAMP,TIMESTAMP_2,temp", "2021-06-{0:02d} 00:00,2021-06-{0:02d} 00:01,{0}"),
        ("date,temp,date2,note", "2021-06-{0:02d} 00:00,{0},2021-06-{0:02d} 01:00,calm"),
    ],
)
def test_a_second_time_without_values_of_its_own_is_no_second_table_it_was_refused(tmp_path, names, form):
    rows = "".join(f"{form.format(day)}\n" for day in range(1, 30))
    assert values(read(tmp_path, f"{names}\n{rows}"), "temp") == [*range(1, 30)]


def test_dates_too_wide_for_their_column_are_counted_they_were_comments(tmp_path):
    text = dated("ph", map(str, range(30))).replace("2021-01-05", "########") + "# a comment\n"
    asked = refusal(tmp_path, text)
    assert "'########'" in asked
    assert "--missing 'date=*'" in asked
    assert read(tmp_path, text, missing=("date=*",)).marks == {"########": 1}


@pytest.mark.parametrize("separator", [",", "\t", " "])
@pytest.mark.parametrize(
    "line", ["## the sensor was cleaned", "##{}cleaned", "##{0}{0}", "######", "###### new{0}probe"]
)
def test_two_marks_of_a_comment_and_a_separator_are_a_comment_not_a_date_too_wide(tmp_path, line, separator):
    lines = [f"2021-06-{day:02}{separator}{day}{separator}7" for day in range(1, 29)]
    lines = [separator.join(["time", "temp", "ph"]), *lines[:9], line.format(separator), *lines[9:], ""]
    found = read(tmp_path, "\n".join(lines))
    assert found.refusal is None
    assert found.observations.collect().height == 56


def test_times_of_which_a_spreadsheet_cut_off_the_end_are_refused_six_rows_had_one_time(tmp_path):
    rows = "".join(f"{2.02106e11 + 1e6 * (n // 6):.5E},{n}\n" for n in range(60))
    assert "have lost their last digits" in refusal(tmp_path, f"timestamp,ph\n{rows}")
    assert "have lost their last digits" in refusal(tmp_path, f"timestamp,depth,ph\n{rows.replace(',', ',1,')}")


@pytest.mark.parametrize("form", ["{:.9e}", "{:.18e}"])
def test_times_with_an_exponent_and_all_their_digits_are_whole_two_series_that_share_them_were_refused(tmp_path, form):
    times = [form.format(1609459200 + 3600 * hour) for hour in range(30)]
    long = read(tmp_path, "series,time,value\n" + "".join(f"{one},{time},1\n" for time in times for one in "ab"))
    assert long.observations.collect().height == 60
    deep = "".join(f"{time},{depth:.1e},1\n" for time in times for depth in (1, 2))
    assert read(tmp_path, "time,depth,ph\n" + deep, by=("depth",)).observations.collect().height == 60
    twice = read(tmp_path, "time,ph\n" + "".join(f"{time},1\n" for time in [*times, times[-1]]))
    assert twice.observations.collect()["time"].n_unique() == 30


def test_rounded_times_that_repeat_in_each_of_two_series_alone_are_read(tmp_path):
    rows = "".join(f"{one},{1.6e9 + 1e6 * tick:.3e},1\n" for tick in range(30) for one in "ab")
    assert read(tmp_path, f"series,time,value\n{rows}").observations.collect().height == 60
    steps = "".join(f"{n}e3,{n}\n" for n in range(60))
    assert read(tmp_path, f"time,ph\n{steps}").refusal is None


TITLED = (
    "In-Situ Inc.,,,\n\nReport Date:,2021-06-24\nReport User Name:,u\n\nDevice Properties\n,Device,Troll\n,SN,12\n\n"
)


def test_a_title_with_a_blank_in_it_is_not_the_line_of_names_of_a_table_with_commas(tmp_path):
    rows = "".join(
        f"06/18/2021,{hour % 12 or 12}:00:00 {'AP'[hour > 11]}M,{hour / 7:.3f},{hour},\n" for hour in range(24)
    )
    text = f"{TITLED}Time Zone: Eastern Daylight Time\n\n,,Sensor: A,Sensor: A,\nDate,Time,Depth (ft),Temp (C),\n{rows}"
    assert values(read(tmp_path, text), "Temp (C)") == list(range(24))
    assert "stands 'Time Zone: Eastern Daylight Time': --time-zone" in said(tmp_path, text)
    assert "Eastern" not in said(tmp_path, text.replace("Eastern Daylight Time", "UTC"))


def test_names_of_groups_above_the_names_are_not_the_names(tmp_path):
    rows = "".join(f"18.06.2021 {hour:02d}:00;{hour};{40 + hour}\n" for hour in range(24))
    table = read(tmp_path, f";Station A;\nDatum;Temp;Temp\n;°C;°C\n{rows}")
    assert values(table, "Temp (2)") == list(range(40, 64))


@pytest.mark.parametrize("unit", ["10^6 sq km", "10^6/L", "10^6 / L"])
def test_a_row_of_units_may_have_a_power_of_ten(tmp_path, unit):
    rows = "".join(f"2021, 06, {day:02d}, {day}\n" for day in range(1, 30))
    table = read(tmp_path, f"Year, Month, Day, Extent\nYYYY, MM, DD, {unit}\n{rows}")
    assert table.refusal is None
    assert values(table, "Extent") == list(range(1, 30))


@pytest.mark.parametrize("gap", ["", "\n", "#\n"])
def test_names_in_a_comment_are_found_over_an_empty_line(tmp_path, gap):
    rows = "".join(f"  260,202106{day:02d},{day:5d}\n" for day in range(1, 30))
    table = read(tmp_path, f"# KNMI\n# TG = mean\n#\n# STN,YYYYMMDD,   TG\n{gap}{rows}")
    assert table.shape.values == ("TG",)
    assert values(table, "TG") == list(range(1, 30))


def test_prose_in_a_comment_above_a_blank_one_is_no_line_of_names(tmp_path):
    rows = "".join(f"2021-06-{day:02d},{day}\n" for day in range(1, 30))
    assert "holds data" in refusal(tmp_path, f"# Buoy data, version 2\n#\n{rows}")


def test_depths_as_names_are_names_the_line_was_taken_for_data(tmp_path):
    rows = "".join(f"2021-06-{day:02d},{day},{day},{day}\n" for day in range(1, 30))
    assert read(tmp_path, f"Datetime,0.5,1,2\n{rows}").shape.values == ("0.5", "1", "2")
    assert "holds data" in refusal(tmp_path, f"2021-05-31,0.5,1,2\n{rows}")


def test_a_column_for_each_year_is_refused_with_how_to_turn_it(tmp_path):
    text = "country," + ",".join(map(str, range(1960, 2020))) + "\nKenya" + ",5" * 60 + "\n"
    assert "pandas.read_csv(FILE, index_col='country').T" in refusal(tmp_path, text)


def xle(logs: int, ms: str = "0") -> str:
    """A file of a Solinst logger."""
    channels = "".join(
        f"<Ch{n}_data_header><Identification>{name}</Identification><Unit>{unit}</Unit></Ch{n}_data_header>\n"
        for n, (name, unit) in enumerate((("LEVEL", "m"), ("TEMPERATURE", "°C")), 1)
    )
    rows = "".join(
        f'<Log id="{n}"><Date>2021/06/18</Date><Time>{n:02d}:00:00</Time><ms>{ms if n == 1 else 0}</ms>'
        f"<ch1>{n}.5</ch1><ch2>{20 - n}</ch2></Log>\n"
        for n in range(logs)
    )
    start = '<?xml version="1.0" encoding="windows-1252"?>\n<Body_xle>'
    return f"{start}\n{channels}<Data>\n{rows}</Data>\n</Body_xle>\n"


def test_a_file_of_a_solinst_logger_is_read_it_was_a_web_page(tmp_path):
    path = tmp_path / "well.xle"
    for ms in ("0", "500"):
        path.write_text(xle(20, ms), "cp1252")
        found = read_files([path], TableOptions())
        table = found.observations.collect().filter(series="TEMPERATURE [°C]").sort("time")
        assert table["value"].to_list() == [20 - n for n in range(20)]
        assert f"{table['time'][1]:%Y-%m-%d %H:%M:%S.%f}" == f"2021-06-18 01:00:00.{int(ms):03d}000"
        assert found.units == {"LEVEL [m]": "m", "TEMPERATURE [°C]": "°C"}
    path.write_text(xle(20)[:-60], "cp1252")
    with pytest.raises(DataError, match="not a whole file of a Solinst logger"):
        read_files([path], TableOptions())


CASTS = "".join(
    (f"S{day % 2}\t2021-06-{day:02d}T00:00" if depth == 1 else "\t") + f"\t{depth}\t{10 * day + depth}\n"
    for day in range(1, 21)
    for depth in (1, 5, 9)
)


def test_casts_with_their_time_in_the_first_row_only_have_it_in_all_three_in_four_were_refused(tmp_path):
    head = "Cruise\tStation\tyyyy-mm-ddThh:mm:ss.sss\tDepth [m]\tOxygen\n"
    text = head + "".join(f"{'C' * (line[0] == 'S')}\t{line}\n" for line in CASTS.splitlines())
    asked = refusal(tmp_path, text)
    assert "--by 'Depth [m]'" in asked
    table = read(tmp_path, text, by=("Depth [m]",))
    assert table.refusal is None
    assert values(table, "5/Oxygen") == [10 * day + 5 for day in range(1, 21)]


def test_cells_are_filled_down_where_a_row_has_none_of_them(tmp_path):
    rows = "a;2021-06-18;1\n;;2\nb;;3\n;2021-06-20;4\n"
    table = read(tmp_path, f"site;date;ph\n{rows}", fill_down=("site", "date"), by=("site",))
    assert table.observations.collect().sort("value")["value"].to_list() == [1, 2]
    assert table.rejected == {"bad_time": 1, "no_series": 1}


def test_days_of_a_month_side_by_side_are_no_months_the_first_twelve_were(tmp_path):
    head = "year,month," + ",".join(map(str, range(1, 32)))
    rows = "".join(f"{2015 + n // 12},{1 + n % 12}{',5' * 31}\n" for n in range(48))
    assert "a column for each day (31 of them)" in refusal(tmp_path, f"{head}\n{rows}")
    assert len(read(tmp_path, f"{head}\n{rows}", layout="wide").shape.values) == 31


@pytest.mark.parametrize("form", ["H{}", "{:02d}:00", "hour_{}"])
def test_hours_side_by_side_are_asked_about_each_was_a_series_of_days(tmp_path, form):
    text = dated(",".join(form.format(hour) for hour in range(24)), [",".join("5" * 24)] * 30)
    assert "a column for each hour (24 of them)" in refusal(tmp_path, text)
    assert len(read(tmp_path, text, layout="wide").shape.values) == 24


@pytest.mark.parametrize("form", ["{}", "T{}", "x{}"])
def test_depths_and_sensors_side_by_side_are_series(tmp_path, form):
    text = dated(",".join(form.format(n) for n in range(1, 25)), [",".join("5" * 24)] * 30)
    assert len(read(tmp_path, text).shape.values) == 24


def test_times_in_the_line_of_names_are_refused_with_how_to_turn_them(tmp_path):
    times = ",".join(f"2021-06-{day:02d} 00:00" for day in range(1, 30))
    asked = refusal(tmp_path, f"time,{times}\ntemp{',5' * 29}\nph{',7' * 29}\n")
    assert "index_col='time').T" in asked
    assert "--missing" not in asked


def test_a_minus_behind_a_number_is_not_advised_to_be_taken_off(tmp_path):
    assert "--trailing" not in refusal(tmp_path, series_of("x", ["9.5", "9.6-", "9.7"]))


@pytest.mark.parametrize(
    ("name", "first", "advice"),
    [
        ("JD", "2459383.5", "--time-column JD --time-format julian (2021-06-18 00:00)"),
        ("MJD", "59383.25", "--time-column MJD --time-format mjd (2021-06-18 06:00)"),
        ("datenum", "738325.25", "--time-column datenum --time-format matlab (2021-06-18 06:00)"),
        ("date", "Jun-21", "--time-column date --time-format %b-%y (2021-06-01 00:00)"),
    ],
)
def test_days_of_astronomers_and_of_matlab_are_asked_about_there_was_no_time(tmp_path, name, first, advice):
    assert advice in refusal(tmp_path, f"{name},ph\n{first},7\n{first},8\n")


@pytest.mark.parametrize("form", ["{:02d}/2021", "{:02d}-2021"])
def test_a_month_before_its_year_is_read_it_had_no_known_form(tmp_path, form):
    rows = "".join(f"{form.format(month)},{month}\n" for month in range(1, 13))
    times = read(tmp_path, f"date,flow\n{rows}").observations.collect()["time"]
    assert [f"{time:%Y-%m-%d}" for time in times] == [f"2021-{month:02d}-01" for month in range(1, 13)]


@pytest.mark.parametrize("digits", [4, 6])
def test_a_day_of_the_year_may_have_a_fraction_only_midnights_were_read(tmp_path, digits):
    rows = "".join(f"2021,{169 + hour / 24:.{digits}f},{hour}\n" for hour in range(48))
    times = read(tmp_path, f"year,doy,temp\n{rows}").observations.collect()["time"]
    assert [f"{time:%d %H:%M:%S}" for time in times] == [f"{18 + n // 24} {n % 24:02d}:00:00" for n in range(48)]


def test_limits_of_detection_beside_their_sign_are_said_they_were_values(tmp_path):
    text = dated("sign,nitrate", (f"{'<' * (n % 3 == 0)},{n / 10}" for n in range(30)))
    assert "--flags sign=" in said(tmp_path, text)
    table = read(tmp_path, text, flags=("sign=",))
    assert values(table, "nitrate") == [n / 10 for n in range(30) if n % 3]
    assert "detection" not in said(tmp_path, text, flags=("sign=",))


def test_an_export_of_the_air_quality_system_is_a_long_table(tmp_path):
    names = "Site Num,Parameter Code,Date Local,Time Local,Date GMT,Time GMT,Sample Measurement,Units of Measure"
    rows = "".join(
        f"1103,{code},2021-06-18,{hour:02d}:00,2021-06-18,{hour + 4:02d}:00,{hour},{unit}\n"
        for hour in range(20)
        for code, unit in (("44201", "ppm"), ("42401", "ppb"))
    )
    table = read(tmp_path, f"{names}\n{rows}")
    assert values(table, "1103/42401") == list(range(20))
    assert f"{table.observations.collect()['time'].min():%H:%M}" == "04:00"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_that_end_in_a_carriage_return_alone_are_read_they_were_refused(tmp_path, encoding):
    text = series_of("temp", [f"{n},5" for n in range(24)])
    table = read(tmp_path, text.replace("\n", "\r"), encoding)
    assert values(table, "temp") == [n + 0.5 for n in range(24)]


def test_rings_of_trees_are_refused_with_how_to_turn_them_into_a_table(tmp_path):
    path = tmp_path / "site.rwl"
    path.write_text("".join(f"XXX01A  {year:4d}{'   123' * 10}\n" for year in range(1800, 1990, 10)))
    with pytest.raises(DataError, match="dplR::read"):
        read_files([path], TableOptions())


def test_rows_are_not_advised_to_be_left_out_where_many_have_no_time(tmp_path):
    text = dated("ph", map(str, range(50)))
    assert "'day 01' x9" in (asked := refusal(tmp_path, text.replace("2021-02-0", "day 0")))
    assert "--missing 'date=*'" in asked
    assert "date=*" not in refusal(tmp_path, text.replace("2021-02-", "day "))
