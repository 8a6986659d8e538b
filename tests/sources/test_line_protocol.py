"""InfluxDB line protocol: what InfluxDB takes is taken, what it refuses is refused, and nothing goes uncounted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentinel.sources.bodies import read_lines
from sentinel.sources.labels import Names
from sentinel.sources.rows import Rows
from tests.deploy.programs import eventually, free_address, running
from tests.e2e.running import PATIENCE

T0 = 1_700_000_000_000_000_000
LINES = [
    "m v=1",
    "m,a=b v=1i,w=2.5,x=-3e4,y=.5,z=5.",
    "m,a=b,c=d v=1",
    r"m\ n\,o,a\ b=c\=d\,e v\ w=1",
    'm v="text",w=1',
    r'm v="a \"quoted\" text, with = and spaces",w=2',
    'm v="two\nlines",w=3',
    "m v=t,w=T,x=true,y=false,z=4",
    'm,a="b" v=1',
    "m,ort=Müggelsee v=1",
    "m,a=1 v=1",
    "m  v=1",
    "m v=1,w",
    "m v=",
    "m v=1 2 3",
    "m v=1x",
    "m v=0x10",
    "m v=1e400",
    "m v=nan",
    "m v=+1",
    "m v=1e",
    "m,a= v=1",
    "m,=b v=1",
    "m,a v=1",
    "m",
    ",a=b v=1",
    "m v=1, w=2",
    "m v=1,",
    "m v=9223372036854775807i",
    "m v=9223372036854775808i",
    "m v=1,v=2",
    "m,a=b,c=d,a=e v=1",
    r"m,a\\ b=c\\=d v=1",
    "m v=--1",
    'm v="open',
    "# a comment",
    "",
]
"""Each is written by itself; InfluxDB says what becomes of it."""


def read(text: str, precision: str = "ns") -> tuple[Rows, list[tuple[str, float]]]:
    rows = Rows(T0 // 1000)
    read_lines(text, rows, Names(None), T0 // 1000, precision)
    frame = rows.frame("s", {}, None)
    return rows, list(frame.observations.select("series", "value").iter_rows())


def test_the_names_have_measurement_field_and_tags_in_order() -> None:
    _, found = read("lake,site=peter,depth=3 ph=8.1,o2=9i\nlake/x,s=a%b v=1")
    assert found == [
        ("lake/ph/depth=3/site=peter", 8.1), ("lake/o2/depth=3/site=peter", 9.0), ("lake%2Fx/v/s=a%25b", 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "stamp"), [("ns", T0), ("us", T0 // 10**3), ("ms", T0 // 10**6), ("s", T0 // 10**9)]
)
def test_a_time_has_its_precision_and_without_one_it_is_now(precision: str, stamp: int) -> None:
    for text in (f"m v=1 {stamp}", "m v=1"):
        assert read(text, precision)[0].newest_us == T0 // 1000


def test_a_line_that_is_none_is_named_and_harms_no_other() -> None:
    rows, found = read('m v=1\nnonsense\nm w="two\nlines"\nm x=\nm y=2\n')
    assert found == [("m/v", 1.0), ("m/y", 2.0)]
    assert [text.partition(":")[0] for text in rows.complaints] == ["line 2", "line 5"]
    assert rows.rejected == {"malformed_row": 2, "not_a_number": 1}


@given(st.lists(st.text(alphabet='m,=v1 "\\i\n#.e-ü\0', max_size=20), max_size=6))
@example(['m v="\\', "m v=1"])
def test_any_text_is_read_line_by_line_or_counted(lines: list[str]) -> None:
    good = ["good v=1", *lines, "good w=2"]
    rows, found = read("\n".join(good))
    assert found[0] == ("good/v", 1.0)
    assert '"' in "".join(lines) or found[-1] == ("good/w", 2.0)
    assert len(rows) == len(found)


@pytest.mark.slow
def test_a_long_line_takes_no_longer_than_its_length() -> None:
    for text in (
        "a" * 10**6,
        "m," + "a=b," * 10**5,
        "m v=" + '"' * 10**6,
        "\\" * 10**6,
        "m " + "v=1," * 10**5,
        " " * 10**6,
    ):
        read(text)


@pytest.fixture(scope="module")
def influx(tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an InfluxDB 1 with a database `d`."""
    program, folder, listen = tool("influxd"), tmp_path_factory.mktemp("influx"), free_address()
    settings = {
        "HTTP_BIND_ADDRESS": listen, "BIND_ADDRESS": free_address(), "REPORTING_DISABLED": "true",
        "DATA_DIR": str(folder / "data"), "DATA_WAL_DIR": str(folder / "wal"), "META_DIR": str(folder / "meta"),
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update({f"INFLUXDB_{key}": each for key, each in settings.items()})
    try:
        with (
            running([program, "-config", "/dev/null"], folder / "output"),
            httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=10) as client,
        ):

            def up() -> bool:
                try:
                    return client.post("/query", params={"q": "CREATE DATABASE d"}).status_code == 200
                except httpx.TransportError:
                    return False

            eventually(up, PATIENCE, (folder / "output").read_text)
            yield client
    finally:
        os.environ.clear()
        os.environ.update(before)


def stored(influx: httpx.Client, where: str) -> list[float]:
    """The numbers that InfluxDB has in measurements."""
    answer = influx.get("/query", params={"db": "d", "q": f"SELECT * FROM {where}"}).json()
    return sorted(
        float(cell)
        for one in answer["results"][0].get("series", [])
        for row in one["values"]
        for cell in row[1:]
        if isinstance(cell, int | float) and not isinstance(cell, bool)
    )


@pytest.mark.slow
def test_influxdb_takes_and_refuses_the_same(influx: httpx.Client) -> None:
    # These InfluxDB refuses, and we count as no values and take the rest.
    known = {"m v=1e400", "m v=nan"}
    differing = []
    for line in LINES:
        influx.post("/query", params={"q": "DROP DATABASE d; CREATE DATABASE d"})
        refused = influx.post("/write", params={"db": "d"}, content=line.encode()).status_code == 400
        rows, found = read(line)
        numbers = stored(influx, "/.*/")
        ours = sorted(value for _, value in found)
        if line not in known and (refused != bool(rows.rejected["malformed_row"]) or numbers != ours):
            differing.append((line, refused, numbers, ours, rows.complaints))
    assert differing == []


TAGS = st.sampled_from(
    [",a=b", r",a\ b=c\=d", r",a\\ b=c\\=d", ",a=1", ',b="q"', ",ü=ö", ",a", ",a=", ",=b", ",a=b=c", ",", r",c=d\\"]
)
VALUE = st.sampled_from(
    ["1", "-1", "1.5", ".5", "5.", "-3e4", "1e+4", "1i", "-2i", "t", "FALSE", '"a, b=c"', r'"a \" b"', r'"a\\"', "x",
     "", "+1", "1x", "--1", "1e", "0x1", "1 1", "00", "1_0", "i", "-", "tRUE", "-9223372036854775808i",
     "9223372036854775808i", "1.5i"]
)  # fmt: skip
FIELD = st.tuples(
    st.sampled_from(["v", "w", r"v\ w", "ü", r"a\,b", r"a\b", "", "v w"]), st.sampled_from(["=", "=", "=", ""]), VALUE
)
STAMP = st.sampled_from(["", "", f" {T0}", f"  {T0}", f" {T0} ", " 1.5", " x", f" {T0} 1", " "])
LINE = st.tuples(
    st.lists(TAGS, max_size=3).map("".join), st.sampled_from([" ", " ", " ", "  ", ""]),
    st.lists(FIELD, max_size=3, unique_by=lambda field: field[0]).map(lambda found: ",".join(map("".join, found))),
    STAMP,
).map("".join)  # fmt: skip


@pytest.mark.slow
def test_influxdb_takes_and_refuses_the_same_of_lines_that_are_nearly_sound(influx: httpx.Client) -> None:
    """Each has a measurement of its own, so that none meets the fields of another.

    Left out is what we take and InfluxDB does not: blanks and line ends of other systems behind a line, one field twice
    with two types. It takes text behind a closed string, which we count as no line.
    """
    numbers = count()

    @settings(max_examples=1_000, deadline=None)
    @given(LINE)
    def compare(rest: str) -> None:
        name = f"x{next(numbers)}x"
        refused = influx.post("/write", params={"db": "d"}, content=(name + rest).encode()).status_code == 400
        rows, found = read(name + rest)
        assert (refused, stored(influx, f"/^{name}/")) == (
            bool(rows.rejected["malformed_row"]), sorted(value for _, value in found)
        ), rest  # fmt: skip

    compare()
