"""Source `http`: four services in their recorded form, and servers that misbehave."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import HttpSource
from sentinel.domain.errors import DataError
from sentinel.domain.observation import Cursor, Frame
from sentinel.sources import PullSource, SourceError, make_source
from sentinel.sources.asking import TooMuchError
from sentinel.sources.backoff import RefusedError
from tests.fixtures import ManualClock
from tests.laws import examples
from tests.sources import services
from tests.sources.answering import Answering, answering, send
from tests.sources.following import follow
from tests.sources.services import STEP, iso, value_at

NOW = 1_700_000_040
UNTIL = NOW - NOW % STEP - 2 * STEP
DAYS = 86_400


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        yield server


def polled(url: str, clock: ManualClock | None = None, **keys: Any) -> PullSource:
    wanted = {"kind": "http", "name": "lake", "url": url, "timeout": "5s"}
    source = make_source(HttpSource.model_validate(wanted | keys), clock or ManualClock(NOW * 1_000_000))
    assert isinstance(source, PullSource)
    return source


def points(frames: list[Frame]) -> list[tuple[str, int, float]]:
    return sorted(
        (name, int(at.timestamp()), value) for frame in frames for name, at, value in frame.observations.iter_rows()
    )


def expected(days: int, until: int, names: tuple[str, ...], level: Callable[[int], int] = lambda n: n) -> list[Any]:
    times = services.between(NOW - days * DAYS, NOW, until)
    return sorted((name, at, value_at(at, level(n))) for n, name in enumerate(names) for at in times)


def test_erddap_gives_its_history_and_then_what_is_new_and_no_rows_are_no_fault(server: Answering) -> None:
    clock, cursor = ManualClock(NOW * 1_000_000), None
    keys = {"preset": "erddap", "query": "time,station,sea_water_temperature", "by": ["station"], "since": "9d"}
    server.answer = services.erddap(UNTIL)
    source = polled(f"{server.url}/tabledap/buoys.csv", clock, **keys)
    frames, cursor = follow(source)
    assert len(frames) == 2  # two days, the rest
    names = ("s0/sea_water_temperature", "s1/sea_water_temperature")
    assert points(frames) == [one for one in expected(9, UNTIL, names) if one[1] % 7_200]
    assert frames[-1].watermark_us == (NOW - 3_600) * 1_000_000
    clock.set((NOW + STEP) * 1_000_000)
    assert points([source.fetch(cursor)]) == []
    server.answer = services.erddap(UNTIL + STEP)
    assert [at for _, at, _ in points([source.fetch(cursor)])] == [UNTIL + STEP] * 2
    server.answer = services.erddap(0)
    assert points([source.fetch(cursor)]) == []


@pytest.mark.slow
def test_usgs_gives_pages_that_are_in_no_order_and_a_key_goes_to_its_host_only(
    server: Answering, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("k3y\n")
    server.answer = services.usgs(UNTIL)
    source = polled(
        f"{server.url}/ogcapi/v0/collections/continuous/items", preset="usgs", since="2d",
        query="monitoring_location_id=USGS-02089500", token_file=str(tmp_path / "key"),
    )  # fmt: skip
    frames, _ = follow(source)
    names = ("USGS-02089500/00010", "USGS-02089500/00300")
    assert points(frames) == expected(2, UNTIL, names, level=lambda n: (10, 300)[n])
    assert all(headers["X-Api-Key"] == "k3y" for headers in server.headers)
    assert len(server.asked) > len(frames) + 5


@pytest.mark.slow
def test_sensorthings_gives_pages_and_the_time_of_an_interval_is_its_end(server: Answering) -> None:
    server.answer = services.sensorthings(UNTIL)
    frames, _ = follow(polled(f"{server.url}/v1.1/Datastreams(1)/Observations", preset="sensorthings", since="3d"))
    assert points(frames) == expected(3, UNTIL, ("result",))


def test_of_a_whole_table_only_what_is_new_is_taken_and_one_that_has_not_changed_is_not_sent(
    server: Answering,
) -> None:
    source = polled(f"{server.url}/44025.txt", preset="ndbc", overlap="6h")
    server.answer = services.ndbc(UNTIL)
    frames, cursor = follow(source)
    times = services.between(UNTIL - 2 * DAYS, UNTIL, UNTIL)
    assert [(at, value) for name, at, value in points(frames) if name == "WTMP"] == [(at, value_at(at)) for at in times]
    assert frames[0].rejected == {"missing": len(times)}
    assert "WDIR" in frames[0].columns
    again = source.fetch(cursor)
    assert (again.observations.height, again.rejected, again.cursor) == (0, {}, cursor)
    assert server.headers[-1]["If-Modified-Since"]
    server.answer = services.ndbc(UNTIL + STEP)
    new = source.fetch(cursor)
    assert points([new]) == [("WDIR", UNTIL + STEP, 180.0), ("WTMP", UNTIL + STEP, value_at(UNTIL + STEP))]
    assert new.rejected == {"missing": 1}  # those that were counted before are not counted again


def table_of(rows: list[tuple[int, str, float]]) -> bytes:
    return ("time,series,value\n" + "".join(f"{iso(at)},{name},{value}\n" for at, name, value in rows)).encode()


def serve(server: Answering, body: bytes, status: int = 200, **headers: str) -> None:
    server.answer = lambda handler, _: send(handler, status, body, **headers)


def test_a_series_that_lags_behind_and_a_corrected_value_come_and_nothing_comes_twice(server: Answering) -> None:
    source = polled(server.url, overlap="2h")
    serve(server, table_of([(NOW - 3_000, "a", 1.0), (NOW - 3_000, "b", 1.0), (NOW - 2_000, "a", 2.0)]))
    frames, cursor = follow(source)
    assert len(points(frames)) == 3
    serve(
        server,
        table_of([(NOW - 3_000, "a", 1.5), (NOW - 3_000, "b", 1.0), (NOW - 2_000, "a", 2.0), (NOW - 2_500, "b", 9)]),
    )
    frame = source.fetch(cursor)
    assert points([frame]) == [("a", NOW - 3_000, 1.5), ("b", NOW - 2_500, 9.0)]
    assert points([source.fetch(frame.cursor)]) == []


@pytest.mark.slow
@settings(max_examples=examples(4, 12), deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc")), min_size=1, unique=True),
    data=st.data(), most=st.integers(1, 9), pages=st.integers(1, 5),
)  # fmt: skip
def test_law_in_whatever_pieces_and_pages_a_table_comes_each_observation_comes_once(
    rows: list[tuple[int, str]], data: st.DataObject, most: int, pages: int
) -> None:
    every = [(NOW - 90_000 + 600 * n, name, float(n)) for n, name in rows]
    with answering() as server:

        def answer(handler: Any, form: Any) -> None:
            found = [row for row in every if int(form["from"]) <= row[0] <= int(form["to"])]
            first = int(form["offset"])
            send(handler, 200, table_of(found[first : first + pages]), Content_Type="text/csv")

        server.answer = answer
        keys = {
            "range": "from={from}&to={to}&offset={offset}", "range_format": "seconds", "since": "2d",
            "max_observations": most, "overlap": f"{data.draw(st.integers(0, 30))}h",
        }  # fmt: skip
        frames: list[Frame] = []
        cursor: Cursor | None = None
        while not frames or frames[-1].more:
            source = polled(server.url, **keys)  # made anew each time, as after a crash
            frames.append(source.fetch(cursor))
            cursor = json.loads(json.dumps(frames[-1].cursor))
    assert points(frames) == sorted((name, at, value) for at, name, value in every)


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "iso"])
def test_no_stretch_is_longer_than_is_allowed_and_none_is_left_out(server: Answering, form: str) -> None:
    server.answer = lambda handler, _: send(handler, 204, b"")
    keys = {"range": "from={from}&to={to}", "range_format": form, "since": "400d", "longest": "30d", "overlap": "0s"}
    frames, _ = follow(polled(server.url, **keys))
    read = {"iso": services.seconds_of, "seconds": int, "milliseconds": lambda text: int(text) // 1_000}[form]
    asked = [(read(one["from"]), read(one["to"])) for one in server.asked]
    assert (asked[0][0], asked[-1][1]) == (NOW - 400 * DAYS, NOW)
    assert all(end == start for (_, end), (start, _) in pairwise(asked))
    assert max(end - start for start, end in asked) == 30 * DAYS
    assert [frame.more for frame in frames] == [True] * (len(frames) - 1) + [False]


JSON: dict[str, tuple[Any, dict[str, Any]]] = {
    "a list": ([{"time": iso(NOW - 60), "ph": 7.5, "note": "calm"}], {}),
    "inside": ({"data": {"items": [{"at": NOW - 60, "v": {"ph": "7.5"}}]}}, {
        "records": "data.items", "time_column": "at", "time_format": "seconds", "columns": ["v.ph"]}),
    "lists": ([[NOW * 1000 - 60_000, 7.5]], {"time_column": "field0", "time_format": "milliseconds"}),
    "one object": ({"time": iso(NOW - 60), "ph": 7.5}, {}),
    "flags": ({"x": [{"time": iso(NOW - 60), "ph": 7.5, "qc": "Approved"}, {"time": iso(NOW), "ph": 9, "qc": "Bad"}]},
              {"records": "x", "flags": ["qc=Approved"], "columns": ["ph"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_json_of_any_form_is_a_table_like_any_other(server: Answering, name: str) -> None:
    body, keys = JSON[name]
    serve(server, json.dumps(body).encode(), Content_Type="application/json; charset=utf-8")
    assert [(at, value) for _, at, value in points(follow(polled(server.url, **keys))[0])] == [(NOW - 60, 7.5)]


def test_times_on_a_clock_on_the_wall_are_read_in_their_zone(server: Answering) -> None:
    local = f"{datetime.fromtimestamp(NOW, UTC):%d.%m.%Y}"
    serve(server, f"Datum;pH\n{local} 13:30;7,5\n{local} 14:00;7,6\n".encode("latin-1"), Content_Type="text/csv")
    keys = {"time_column": "Datum", "time_format": "%d.%m.%Y %H:%M", "separator": ";", "decimal": ","}
    frames, _ = follow(polled(server.url, time_zone="Europe/Berlin", **keys))
    assert [f"{row[1]:%H:%M}" for row in frames[0].observations.iter_rows()] == ["12:30", "13:00"]


def test_a_form_that_was_recognised_stays_and_a_number_column_with_text_is_counted(server: Answering) -> None:
    source = polled(server.url, overlap="1h")
    serve(server, f"time;pH\n{iso(NOW - 600)};7,5\n{iso(NOW - 500)};7,25\n".encode(), Content_Type="text/csv")
    _, cursor = follow(source)
    serve(server, f"time;pH\n{iso(NOW - 100)};ice\n".encode(), Content_Type="text/csv")
    frame = source.fetch(cursor)
    assert frame.rejected == {"not_a_number": 1}
    serve(server, f"time;pH\n{iso(NOW - 50)};8\n".encode(), Content_Type="text/csv")
    assert points([source.fetch(frame.cursor)]) == [("pH", NOW - 50, 8.0)]


def test_two_values_of_one_time_are_not_mixed_up_in_silence(server: Answering) -> None:
    serve(server, table_of([(NOW - 60, "a", 1.0), (NOW - 60, "a", 2.0)]))
    frame = polled(server.url).fetch(None)
    assert (points([frame]), frame.rejected) == ([("a", NOW - 60, 1.0)], {"foreign_series": 1})
    assert "name the columns that tell them apart in by" in " ".join(frame.complaints)


def test_a_time_far_ahead_is_refused_and_does_not_move_where_it_is_asked_from(server: Answering) -> None:
    serve(server, table_of([(NOW - 60, "a", 1.0), (NOW + 30 * DAYS, "a", 2.0)]))
    source = polled(server.url, overlap="1h")
    frame = source.fetch(None)
    assert frame.rejected == {"future": 1}
    serve(server, table_of([(NOW - 50, "a", 3.0)]))
    assert points([source.fetch(frame.cursor)]) == [("a", NOW - 50, 3.0)]


@pytest.mark.slow
def test_an_error_on_a_later_page_leaves_nothing_out(server: Answering) -> None:
    answer, pages = services.sensorthings(UNTIL), []

    def sometimes(handler: Any, form: Any) -> None:
        pages.append(form)
        if len(pages) == 3:
            send(handler, 429, b"slow down", Retry_After="1")
        else:
            answer(handler, form)

    server.answer = sometimes
    keys = {"preset": "sensorthings", "since": "1d", "every": "10ms"}
    source = polled(f"{server.url}/Observations", **keys)
    with pytest.raises(SourceError, match="429: slow down"):
        source.fetch(None)
    with pytest.raises(SourceError, match="429"):  # it is not asked again at once
        source.fetch(None)
    assert len(pages) == 3
    time.sleep(1.0)
    assert points(follow(source)[0]) == expected(1, UNTIL, ("result",))


def cut_off(handler: Any, _: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/csv")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(table_of([(NOW - 60, "a", 1.0)]))
    handler.close_connection = True


def without_length(handler: Any, _: Any) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/csv\r\n\r\n" + table_of([(NOW - 60, "a", 1.0)])[:-2])
    handler.close_connection = True


def drip(handler: Any, _: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b"t")
        handler.wfile.flush()
        time.sleep(0.1)


def answers(status: int, body: bytes, **headers: str) -> Callable[[Any, Any], None]:
    return lambda handler, _: send(handler, status, body, **headers)


BAD: dict[str, tuple[Callable[[Any, Any], None], type[Exception], str]] = {
    "cut off": (cut_off, SourceError, "without sending complete message body"),
    "cut off, its length unknown": (without_length, SourceError, "cut off in the middle of a line"),
    "slow": (drip, SourceError, "no whole answer within 0.5 s"),
    "a page of a proxy": (answers(200, b"<!DOCTYPE html>", Content_Type="text/html"), SourceError, "a web page or XML"),
    "half of a JSON": (answers(200, b'[{"time"', Content_Type="application/json"), SourceError, "no JSON, or cut off"),
    "no list": (answers(200, b'{"a": {"b": []}, "c": [1]}', Content_Type="application/json"), DataError, "records"),
    "not there": (answers(404, b"Unknown datasetID=x"), DataError, "404: Unknown datasetID=x"),
    "wrong": (answers(400, b"bad\x1b[2Jtime"), DataError, r"400: bad \[2Jtime"),
    "too much": (answers(413, b""), TooMuchError, "413"),
    "broken": (answers(500, b""), SourceError, "500"),
    "a password that is not known": (answers(401, b""), RefusedError, "not asked again until the secrets change"),
    "not allowed": (answers(403, b""), RefusedError, "403"),
    "an error under 404 that is not emptiness": (answers(404, b"<html>no</html>"), DataError, "404"),
    "a redirect to a file": (answers(302, b"", Location="file:///etc/passwd"), SourceError, "not followed"),
    "a redirect to nowhere": (answers(302, b""), SourceError, "not followed"),
    "a redirect to itself": (answers(302, b"", Location="/"), SourceError, "more than 5 redirects"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_said_and_nothing_is_taken(server: Answering, name: str) -> None:
    answer, error, words = BAD[name]
    server.answer = answer
    with pytest.raises(error, match=words):
        polled(server.url, timeout="500ms").fetch(None)


def test_one_that_refuses_is_not_asked_again_and_one_that_says_when_is_asked_then(
    server: Answering, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("old")
    serve(server, b"", 403)
    source = polled(server.url, token_file=str(secret), every="10ms")
    for _ in range(3):
        with pytest.raises(RefusedError):
            source.fetch(None)
    assert len(server.asked) == 1
    secret.write_text("new")
    serve(server, table_of([(NOW - 60, "a", 1.0)]))
    assert len(points([source.fetch(None)])) == 1
    assert server.headers[-1]["Authorization"] == "Bearer new"
    serve(server, b"", 503, Retry_After="3000")
    for _ in range(3):
        with pytest.raises(SourceError, match="503"):
            source.fetch(None)
        time.sleep(0.03)
    assert len(server.asked) == 3


@pytest.mark.parametrize("by", ["a redirect", "a link to the next page"])
def test_secrets_are_not_sent_to_another_host(server: Answering, tmp_path: Path, by: str) -> None:
    (tmp_path / "token").write_text("s3cret")
    with answering() as other:
        serve(other, json.dumps([{"time": iso(NOW - 60), "ph": 7}]).encode(), Content_Type="application/json")
        if by == "a redirect":
            serve(server, b"", 302, Location=f"{other.url}/elsewhere")
        else:
            first = json.dumps([{"time": iso(NOW - 90), "ph": 7}]).encode()
            serve(server, first, Content_Type="application/json", Link=f'<{other.url}/2>; rel="next"')
        headers = {"X-Site": "north"}
        frames, _ = follow(polled(server.url, token_file=str(tmp_path / "token"), headers=headers))
        assert points(frames)[-1] == ("ph", NOW - 60, 7.0)
        assert server.headers[0]["Authorization"] == "Bearer s3cret"
        assert not {"Authorization", "X-Site"} & other.headers[0].keys()


def test_pages_that_never_end_are_refused(server: Answering) -> None:
    page = json.dumps([{"time": iso(NOW - 90), "ph": 7}]).encode()
    serve(server, page, Content_Type="application/json", Link='</>; rel="next"')
    with pytest.raises(DataError, match="the page before once more"):
        polled(server.url).fetch(None)


@pytest.mark.slow
def test_a_clock_that_was_ahead_and_was_put_right_leaves_nothing_out(server: Answering) -> None:
    keys = {"preset": "sensorthings", "since": "1d"}
    server.answer = services.sensorthings(UNTIL)
    ahead = polled(server.url, ManualClock((NOW + 400 * DAYS) * 1_000_000), **keys)
    _, cursor = follow(ahead)
    later = polled(server.url, **keys)
    server.answer = services.sensorthings(NOW)
    assert points(follow(later, cursor)[0])


def test_a_server_that_is_not_there_is_asked_ever_more_rarely() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    source = polled(f"http://127.0.0.1:{port}", every="1h")
    for _ in range(2):
        with pytest.raises(SourceError, match="refused"):
            source.fetch(None)
