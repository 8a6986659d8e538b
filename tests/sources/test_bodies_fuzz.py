"""Whatever is sent is read, counted or refused; it never ends in another error, and what is taken is sound."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cramjam import snappy
from hypothesis import example, given
from hypothesis import strategies as st

from sentinel.domain.errors import DataError
from sentinel.sources.bodies import read_csv, read_json, read_ndjson
from sentinel.sources.labels import Names
from sentinel.sources.remote_write import inflate, read_write_request
from sentinel.sources.rows import Rows
from tests.sources.following import assert_frame
from tests.sources.test_push_source import write_request

NOW_US = 1_700_000_000_000_000
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.just(10**30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["series", "time", "value", "observations", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def sound(read: Callable[[Rows], None]) -> Rows:
    rows, refused = Rows(NOW_US), ""
    try:
        read(rows)
    except DataError as error:
        refused = str(error)
    assert refused.isprintable()
    assert_frame(rows.frame("s", {}, NOW_US), "s")
    return rows


@pytest.mark.slow
@given(JSON)
@example([{"series": "a", "time": 10**400, "value": 10**400}])
@example([{"series": "\ud800", "time": 1, "value": 1}])
def test_any_json_is_read_or_refused(value: object) -> None:
    text = json.dumps(value)
    sound(lambda rows: read_json(text, rows, "s"))
    lines = sound(lambda rows: read_ndjson(f"{text}\n{text}", rows, "s"))
    assert len(lines) + sum(lines.rejected.values()) == 2


@given(st.text(max_size=60) | st.text(alphabet='{}[]":,0e-\n\\u', max_size=60))
@example("9" * 5000)
@example("[" * 100_000)
@example("\0")
def test_any_text_is_read_or_refused(text: str) -> None:
    for reader in (read_json, read_ndjson, read_csv):
        sound(lambda rows, reader=reader: reader(text, rows, "ms"))


@given(
    st.lists(
        st.lists(st.sampled_from(["1", "", "a", '"', "x y", "1e999", "2026-01-01", "\r", "'"]), max_size=4), max_size=6
    )
)
def test_any_table_is_read_or_refused(cells: list[list[str]]) -> None:
    for header in ("time,series,value", "value,time,series", "time,a,b", "a,time"):
        sound(lambda rows, header=header: read_csv("\n".join([header, *map(",".join, cells)]), rows, "s"))


@given(st.binary(max_size=80), st.integers(0, 80), st.binary(max_size=4))
def test_any_bytes_are_a_write_request_or_refused(body: bytes, at: int, piece: bytes) -> None:
    # A label a=b and a point, with something else in the middle of it.
    fine = inflate(write_request(({"a": "b"}, [(1, 2.0)])), 1000)
    for message in (body, fine[:at] + piece + fine[at:], fine[:at]):
        sound(lambda rows, message=message: read_write_request(message, rows, Names(None)))
        sound(lambda rows, message=message: read_write_request(inflate(message, 1000), rows, Names(None)))
    assert inflate(bytes(snappy.compress_raw(body)), 1000) == body


def test_a_body_that_says_it_is_huge_is_not_inflated() -> None:
    with pytest.raises(DataError, match="when inflated"):
        inflate(b"\xff\xff\xff\xff\x0f" + b"\0" * 9, 1000)
