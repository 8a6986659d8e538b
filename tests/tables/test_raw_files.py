"""Files as loggers and field notes write them: read, or asked about with an option that reads them."""

from __future__ import annotations

import pytest

from sentinel.domain.errors import DataError
from sentinel.tables import open_table, parse
from sentinel.tables.options import options_from
from sentinel.tables.recognising import Recognised, recognise


def look(path, **given) -> tuple[list[str], list[tuple[str, float]], Recognised]:
    """Recognise and read a file: the series, first time and value of each, and what was said."""
    found = recognise(path, options_from(given, "{}"))
    table = open_table(path, found.options)
    rows = parse(table, found.options, path.name, strict=True).observations.collect()
    firsts = rows.sort("time").group_by("series", maintain_order=True).first().sort("series")
    return firsts["series"].to_list(), [(str(t)[:16], v) for _, t, v in firsts.rows()], found


@pytest.mark.parametrize("name", ["plot_no", "sample_no", "Sample", "No.", "tree"])
def test_a_number_that_is_the_same_few_at_each_time_is_asked_about_whatever_its_name(tmp_path, name):
    """All rows of a time but the first were left out as duplicates, and the numbers of the trees were judged."""
    path = tmp_path / "a.csv"
    rows = [f"2021-06-{day:02},{tree},{day * tree % 7}.5\n" for day in range(1, 31) for tree in (1, 2, 3)]
    path.write_text(f"date,{name},moisture\n" + "".join(rows[:-1]))  # the last one is still to be measured
    with pytest.raises(DataError, match=f"'{name}' tells the rows apart; .*--by {name} on the command line"):
        look(path)
    assert look(path, by=name)[0] == [f"{n}/moisture" for n in (1, 2, 3)]


def test_counts_that_differ_from_time_to_time_tell_no_series_apart(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"2021-06-{1 + n // 2:02},{n * 7 % 5},{n % 3}.5\n" for n in range(60)]
    path.write_text("date,count,ph\n" + "".join(rows))
    assert look(path)[0] == ["count", "ph"]


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "00:00"), ("Etc/GMT-1", "23:00"), (None, "23:00")])
@pytest.mark.parametrize("name", ["time (CET)", "Date Time, GMT+01:00"])
def test_the_zone_that_is_asked_for_wins_over_one_in_a_name_and_that_is_said(tmp_path, zone, hour, name):
    """UTC is the default: where it was asked for, the zone in the name took its place."""
    path = tmp_path / "a.csv"
    path.write_text(f'"#","{name}",temp\n' + "".join(f"{n},2021-06-{n:02} 00:00,{n % 3}.5\n" for n in range(1, 9)))
    _, firsts, found = look(path, **{"time_zone": zone} if zone else {})
    assert firsts[0][0][11:] == hour
    said = "; ".join(found.said)
    assert ("would be Etc/GMT-1; read as Etc/UTC, as --time-zone says" in said) == (zone == "UTC")
    again = recognise(path, found.options)  # the options that are written down read it likewise
    assert again.options.time_zone == found.options.time_zone
