"""Lines of nothing but numbers are read a short way, which nobody can tell from the long one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentinel.domain.errors import SentinelError
from sentinel.domain.observation import Cursor, Frame
from sentinel.sources import PullSource
from sentinel.tables import plain
from tests.laws import examples
from tests.sources.following import NOW_US, csv_source, follow, through_json

TIMES = st.integers(0, 500).map(lambda n: f"2020-02-27T{n // 60:02d}:{n % 60:02d}:00Z") | st.sampled_from(
    ["2020-02-29 23:59", "2020-02-30 00:00", "2021-01-01T24:00", "2020-01-01T00:00:00.1234567Z", "2020-01", "",
     "2020-03-29T02:30", "2020-10-25T02:30", "2020-10-25T02:30", "2020-01-01T00:00:00+05:30", "0001-01-01T00:00+14:00",
     "2999-01-01T00:00Z", "2020-01-01T25:00Z", " 2020-01-01T00:00Z", "NA", "1e3", "2020-06-01T12:00:60Z"]
)  # fmt: skip
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.text("0123456789+-.eE", max_size=5)
CELLS = NUMBERS | NUMBERS | st.sampled_from(
    ["", "NA", "NaN", "NAN", "nan", "inf", "1_0", " 1", "1 ", "-999", "-999.0", "9e999", "x", '"1"',
     "1\r", "٣", "<1", "\0"]
)  # fmt: skip
LINES = (
    st.builds(lambda time, cells: ",".join([time, *cells]), TIMES, st.lists(CELLS, min_size=3, max_size=3))
    | st.builds(lambda time, cells: ",".join([time, *cells]), TIMES, st.lists(CELLS, max_size=4))
    | st.sampled_from(["", ",,,", "# said", "time,a,b,c", '"', "1,2,3,4"])
)
HEADS = st.sampled_from(["time,a,b,c", "time,b,note,a", "a,time,b,c", "time,a,,b", "time;a;b;c", "time,a,a,b"])
OPTIONS = st.sampled_from(
    [{}, {}, {"time_zone": "Europe/Berlin"}, {"missing": ["-999", "x"]}, {"columns": ["b", "a"]},
     {"transform": ["a=difference"]}, {"transform": ["a=log"]}, {"prefix": "lake/"},
     {"time_format": "%Y-%m-%dT%H:%M:%SZ"},
     {"below_detection": "half"}, {"max_observations": 7}]
)  # fmt: skip


def told(source: PullSource, cursor: Cursor | None) -> tuple[list[Frame], Cursor | None]:
    try:
        return follow(source, cursor)
    except SentinelError as error:
        return [Frame("lake", pl.DataFrame(), {}, complaints=(str(error),))], cursor


def same(frame: Frame) -> tuple[object, ...]:
    # Of one time the order of different series means nothing: the journal puts them in the order of their numbers.
    told = sorted(frame.observations.iter_rows(), key=lambda row: (row[1], row[0]))
    return (
        [(name, time, value.hex()) for name, time, value in told],
        through_json(frame.cursor), frame.watermark_us, frame.more, dict(frame.rejected), frame.complaints,
        frame.columns,
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=examples(30, 150), deadline=None)
@example("time,a,b,c", ["2020-02-27T00:00:00Z,0.0,0.0,0.0"] * 2, "\n", None, {})
@given(HEADS, st.lists(LINES, max_size=8), st.sampled_from(["\n", "\n", "\r\n"]), st.data(), OPTIONS)
def test_the_short_way_and_the_long_way_give_the_same_whatever_is_written_and_however_it_is_cut(
    head: str, lines: list[str], end: str, data: st.DataObject | None, options: dict[str, object]
) -> None:
    text = "".join(line + end for line in [head, *lines]).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=2))) if data else []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "lake.csv"
        path.touch()
        try:
            short, long = (csv_source(path, **options) for _ in range(2))
        except SentinelError:
            return
        cursors: list[Cursor | None] = [None, None]
        for begin, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
            with path.open("ab") as file:
                file.write(text[begin:stop])
            frames, cursors[0] = told(short, cursors[0])
            with patch.context() as hidden:
                hidden.setattr(plain.PlainLayout, "of", lambda *_: None)
                others, cursors[1] = told(long, cursors[1])
            assert [same(frame) for frame in frames] == [same(frame) for frame in others]


def test_appended_rows_of_numbers_are_read_without_the_reader_of_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lake.csv"
    path.write_text("time,a,b\n2020-01-01T00:00Z,1,2\n")
    source = csv_source(path)
    _, cursor = follow(source)
    monkeypatch.setattr("sentinel.sources.pieces.rows_of", None)
    with path.open("a") as file:
        file.write("2020-01-01T00:01Z,3.5,\n2020-01-01T00:02Z,NA,-4e3\n")
    frames, _ = follow(source, cursor)
    assert [(s, v) for frame in frames for s, _, v in frame.observations.iter_rows()] == [("a", 3.5), ("b", -4e3)]
    assert [dict(frame.rejected) for frame in frames] == [{"missing": 2}]
    assert frames[0].watermark_us == NOW_US
