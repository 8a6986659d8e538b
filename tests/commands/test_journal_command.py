"""`sentinel journal show`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sentinel.commands.main import entry_point as main
from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal

HOUR_US = 3_600_000_000


def commit(journal: Journal, rows: list[tuple[str, int, float]], arrival_us: int) -> None:
    table = pl.DataFrame(rows, schema=OBSERVATIONS, orient="row")
    journal.commit(Frame("buoy", table, {"at": arrival_us}), arrival_us)


def test_what_was_accepted_is_printed_with_its_arrival_all_or_one_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(tmp_path) as journal:
        journal.record("settings", {}, 0)
        commit(journal, [("a", 0, 1.5), ("b", HOUR_US, -2.0)], 5_000_000)
        commit(journal, [("a", 0, 7.0), ("a", HOUR_US, 0.1)], 6_000_000)
        assert main(["journal", "show", "--state", str(tmp_path)]) == 0
        everything = capsys.readouterr().out.splitlines()
        assert everything == [
            "time,series,value,source,arrived,batch",
            "1970-01-01T00:00:00Z,a,1.5,buoy,1970-01-01T00:00:05Z,2",
            "1970-01-01T01:00:00Z,b,-2.0,buoy,1970-01-01T00:00:05Z,2",
            "1970-01-01T01:00:00Z,a,0.1,buoy,1970-01-01T00:00:06Z,3",
        ]
        assert main(["journal", "show", "--state", str(tmp_path), "--series", "b"]) == 0
        assert capsys.readouterr().out.splitlines() == [everything[0], everything[2]]
        assert main(["journal", "show", "--state", str(tmp_path), "--series", "c"]) == 65
        assert "no series 'c'" in capsys.readouterr().err


def test_what_retention_has_left_is_printed_and_it_is_said_that_there_was_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(tmp_path) as journal:
        for at in range(1, 5):
            commit(journal, [("a", at, float(at))], at)
        journal.checkpoints.save({}, {}, 4, 0)
        while journal.retention.step(3, 10**12):
            pass
    assert main(["journal", "show", "--state", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert [line.split(",")[2] for line in told.out.splitlines()] == ["value", "3.0", "4.0"]
    assert "its beginning has been forgotten" in told.err
