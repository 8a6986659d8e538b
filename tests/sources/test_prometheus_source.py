"""Source `prometheus`: against a server that misbehaves, and against a real one with a history."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from sentinel.config import PrometheusSource
from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError
from sentinel.domain.observation import Frame
from sentinel.sources import PullSource, SourceError, make_source
from sentinel.sources.backoff import Backoff, RefusedError
from tests.deploy.programs import eventually, free_address, running
from tests.e2e.running import PATIENCE
from tests.fixtures import ManualClock
from tests.sources.answering import Answering, answer_range, answering, matrix, send, value_at
from tests.sources.certificates import make_certificate
from tests.sources.following import follow

NOW = 1_700_000_040
NOW_US = NOW * 1_000_000


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as server:
        yield server


def ranges(url: str, clock: ManualClock | None = None, **settings: object) -> PullSource:
    wanted = {"kind": "prometheus", "name": "lake", "url": url, "queries": ["ph"], "delay": "30s", "timeout": "5s"}
    source = make_source(PrometheusSource.model_validate(wanted | settings), clock or ManualClock(NOW_US))
    assert isinstance(source, PullSource)
    return source


def points(frames: list[Frame]) -> list[tuple[str, int, float]]:
    rows = (row for frame in frames for row in frame.observations.iter_rows())
    return [(series, int(at.timestamp()), value) for series, at, value in rows]


def test_a_history_comes_in_pieces_and_then_what_is_new(server: Answering) -> None:
    clock = ManualClock(NOW_US)
    source = ranges(server.url, clock, since="1d", max_observations=1000)
    frames, cursor = follow(source)
    last = NOW - 30 - (NOW - 30) % 60
    times = range(last - 86_400 + 60, last + 1, 60)
    assert points(frames) == [(f"ph/lake=l{lake}", at, value_at(at, lake)) for at in times for lake in range(2)]
    assert len(frames) >= 3
    assert all(frame.more for frame in frames[:-1])
    asked = [(int(form["start"]), int(form["end"])) for form in server.asked]
    assert all(end < start for (_, end), (start, _) in pairwise(asked))
    clock.set(NOW_US + 90_000_000)
    new, cursor = follow(source, cursor)
    assert [at for _, at, _ in points(new)] == [last + 60] * 2 + [last + 120] * 2
    source.close()
    again, _ = follow(ranges(server.url, clock, since="1d"), cursor)  # a restart begins no history anew
    assert points(again) == []


def test_a_clock_that_was_a_month_ahead_costs_nothing(server: Answering) -> None:
    now = [NOW]

    def answer(handler, form) -> None:  # a server has no points of the future
        last = min(int(form["end"]), now[0])
        if last < int(form["start"]):
            send(handler, 200, matrix())
        else:
            answer_range(handler, {**form, "end": str(last)})

    server.answer = answer
    clock = ManualClock(NOW_US)
    source = ranges(server.url, clock, since="1h")
    frames, cursor = follow(source)
    for ahead in (30 * 86_400, 0):
        now[0] += 600
        clock.set((now[0] + ahead) * 1_000_000)
        more, cursor = follow(source, cursor)
        frames += more
    times = [at for series, at, _ in points(frames) if series.endswith("l0")]
    assert set(times) == set(range(min(times), max(times) + 1, 60))
    assert max(times) > now[0] - 120


def test_a_clock_that_is_set_back_is_told_it_read_nothing_in_silence(server: Answering) -> None:
    clock = ManualClock(NOW_US)
    source = ranges(server.url, clock, since="1h", delay="10m")
    frames, cursor = follow(source)
    assert not [line for one in frames for line in one.complaints if "clock" in line]
    for back in (7_200, 3_600, 300):  # as long as it is behind, and by less than what is not asked for yet
        clock.set(NOW_US - back * 1_000_000)
        frame = source.fetch(cursor)
        cursor = frame.cursor
        assert any("is a clock wrong?" in line for line in frame.complaints)
    clock.set(NOW_US + 120_000_000)
    frames, _ = follow(source, cursor)
    assert not [line for one in frames for line in one.complaints if "clock" in line]
    assert max(at for _, at, _ in points(frames)) > NOW - 600


@pytest.mark.slow
def test_no_more_points_are_asked_for_than_servers_give(server: Answering) -> None:
    frames, _ = follow(ranges(server.url, since="12d", max_observations=10**9))
    assert len(points(frames)) == 2 * 17_280
    assert max((int(form["end"]) - int(form["start"])) // 60 for form in server.asked) < 10_000


def test_what_is_no_number_is_missing_and_stale_is_not_zero(server: Answering) -> None:
    values = [[NOW - 60 + n, text] for n, text in enumerate(["1", "NaN", "+Inf", "-0", "1e308", "x"])]
    server.answer = lambda handler, _: send(handler, 200, matrix({"metric": {"__name__": "a"}, "values": values}))
    frame = ranges(server.url).fetch(None)
    assert frame.observations["value"].to_list() == [1.0, 0.0, 1e308]
    assert frame.rejected == {"missing": 1, "not_finite": 1, "not_a_number": 1}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"isPartial": True}, "asked for again"),
        ({"warnings": ["PromQL info: x", "No StoreAPIs matched for this query"]}, "again: 'No StoreAPIs matched"),
        ({"warnings": ["receive series from Addr: 10.0.0.1:10901: rpc error: code = Unavailable"]}, "code = Unavail"),
    ],
)  # fmt: skip
def test_an_answer_without_a_part_of_the_points_is_asked_for_again(server: Answering, more: dict, said: str) -> None:
    clock = ManualClock(NOW_US)
    source = ranges(server.url, clock, since="1h", every="1s")
    whole = server.answer
    first = source.fetch(None)
    clock.set(NOW_US + 600_000_000)
    answer = {"metric": {"__name__": "ph", "lake": "l0"}, "values": [[NOW, "1"]]}
    server.answer = lambda handler, _: send(handler, 200, matrix(answer, **more))
    with pytest.raises(SourceError, match=said):
        source.fetch(first.cursor)
    asked = server.asked[-1]
    server.answer = whole
    clock.set(NOW_US + 603_000_000)
    frame = source.fetch(first.cursor)
    assert (server.asked[-1]["start"], frame.observations.height) == (asked["start"], 20)
    harmless = matrix(answer, isPartial=False, warnings=["PromQL warning: x"])
    server.answer = lambda handler, _: send(handler, 200, harmless)
    clock.set(NOW_US + 1_200_000_000)
    assert len(points([source.fetch(frame.cursor)])) == 1


def test_what_two_queries_give_is_never_one_series(server: Answering) -> None:
    result = {"metric": {"job": "a/b"}, "values": [[NOW - 60, "1"]]}
    server.answer = lambda handler, _: send(handler, 200, matrix(result, warnings=["partial"]))
    frame = ranges(server.url, queries=["rate(a[5m])", "sum(b)"]).fetch(None)
    assert frame.observations["series"].to_list() == ["rate(a[5m])/job=a%2Fb", "sum(b)/job=a%2Fb"]
    assert "the server says: partial" in frame.complaints[0]
    result["metric"]["__name__"] = "up"
    frame = ranges(server.url, queries=["up", "up offset 1d"]).fetch(None)
    assert frame.observations["series"].to_list() == ["up/job=a%2Fb"]
    assert frame.rejected == {"foreign_series": 1}


def test_it_shows_who_asks(server: Answering, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    secret = str(tmp_path / "secret")
    ranges(server.url, token_file=secret, headers={"X-Scope-OrgID": "lakes"}).fetch(None)
    ranges(server.url, username="u", password_file=secret).fetch(None)
    first, second = server.headers
    assert (first["Authorization"], first["X-Scope-OrgID"]) == ("Bearer s3cret", "lakes")
    assert base64.b64decode(second["Authorization"].split()[1]) == b"u:s3cret"
    with pytest.raises(SourceError, match=r"password_file: .*none: No such file"):
        ranges(server.url, username="u", password_file=str(tmp_path / "none")).fetch(None)


@pytest.mark.parametrize("status", [401, 403])
def test_one_that_is_refused_is_not_asked_again_until_the_secret_changes(
    server: Answering, tmp_path: Path, status: int
) -> None:
    (tmp_path / "token").write_text("old")
    answer, server.answer = server.answer, lambda handler, _: send(handler, status, b"go away\n\x1b[2J")
    source = ranges(server.url, token_file=str(tmp_path / "token"), every="10ms")
    for _ in range(3):
        time.sleep(0.02)
        with pytest.raises(RefusedError, match=f"HTTP status {status}: go away") as refused:
            source.fetch(None)
        assert str(refused.value).isprintable()
        assert "old" not in str(refused.value)
    assert len(server.asked) == 1
    server.answer = answer
    (tmp_path / "token").write_text("new")
    assert len(source.fetch(None).observations) == 2


@pytest.mark.parametrize("status", [429, *(pytest.param(status, marks=pytest.mark.slow) for status in (500, 503))])
def test_one_that_is_busy_is_asked_again_when_it_says(server: Answering, status: int) -> None:
    answer, server.answer = server.answer, lambda handler, _: send(handler, status, b"busy", Retry_After="1")
    source = ranges(server.url, every="10ms")
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(SourceError, match="busy"):
            source.fetch(None)
        time.sleep(0.02)
    assert len(server.asked) == 1
    server.answer = answer
    time.sleep(max(0.0, 1.05 - (time.monotonic() - began)))
    assert len(source.fetch(None).observations) == 2


def drip(handler, _) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def cut_off(handler, _) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(matrix())
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (drip, "no whole answer within 0.3 s"),
        (lambda *_: time.sleep(1.0), "no whole answer within 0.3 s"),
        (cut_off, "peer closed|incomplete"),
        (lambda handler, _: send(handler, 200, b"<html>"), "no answer of Prometheus"),
        (lambda handler, _: send(handler, 200, b""), "no answer of Prometheus"),
        (lambda handler, _: send(handler, 200, b"[" * 100_000), "no answer of Prometheus"),
        (lambda handler, _: send(handler, 200, matrix(1)), "no answer"),
        (lambda handler, _: send(handler, 302, b"", Location="http://127.0.0.1:1/"), "status 302"),
        (lambda handler, _: send(handler, 400, b'{"error":"parse error"}'), "parse error"),
        (lambda handler, _: send(handler, 200, b'{"status":"success","data":{"resultType":"scalar"}}'), "no range"),
    ],
)  # fmt: skip
def test_a_server_that_misbehaves_is_said_so_and_nothing_of_it_is_kept(server: Answering, answer, why: str) -> None:
    server.answer = answer
    began = time.monotonic()
    with pytest.raises((SourceError, DataError), match=why):
        ranges(server.url, timeout="300ms").fetch(None)
    assert time.monotonic() - began < 3.0


def test_one_that_is_not_there_is_said_so() -> None:
    with pytest.raises(SourceError, match="refused"):
        ranges(f"http://{free_address()}").fetch(None)


def test_a_certificate_is_checked_against_the_file_that_is_named(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with answering(certificate) as server:
        with pytest.raises(SourceError, match="certificate verify failed"):
            ranges(server.url).fetch(None)
        assert len(ranges(server.url, ca_file=str(certificate)).fetch(None).observations) == 2
        with pytest.raises(SourceError, match=r"ca_file: .*; a PEM file is needed"):
            ranges(server.url, ca_file=str(tmp_path / "none")).fetch(None)


def test_waits_grow_and_are_bounded_and_spread() -> None:
    now = [0.0]
    backoff = Backoff(10.0, lambda: now[0], lambda: 1.0)
    waits = []
    for _ in range(12):
        backoff.note_failure(SourceError("down"))
        with pytest.raises(SourceError):
            backoff.require()
        began = now[0]
        while True:
            now[0] += 5.0
            try:
                backoff.require()
            except SourceError:
                continue
            break
        waits.append(now[0] - began)
    assert waits[:4] == [10.0, 20.0, 40.0, 80.0]
    assert max(waits) == 600.0


@pytest.mark.slow
def test_victoriametrics_gives_the_history_that_it_has(tmp_path: Path, tool: Callable[[str], str]) -> None:
    program, listen = tool("victoria-metrics"), free_address()
    now = Clock().now_us() // 1_000_000
    times = range(now - now % 60 - 86_400, now - 3600, 60)
    lines = [f'ph{{lake="l{n}"}} {value_at(at, n)!r} {at}000' for n in range(2) for at in times]
    command = [program, f"-storageDataPath={tmp_path / 'data'}", f"-httpListenAddr={listen}", "-retentionPeriod=90d"]
    with running(command, tmp_path / "output"):

        def taken() -> bool:
            try:
                body = "\n".join(lines).encode()
                answer = httpx.post(f"http://{listen}/api/v1/import/prometheus", content=body, trust_env=False)
                httpx.get(f"http://{listen}/internal/force_flush", trust_env=False)
            except httpx.TransportError:
                return False
            return answer.status_code == 204

        eventually(taken, PATIENCE, (tmp_path / "output").read_text)
        frames, _ = follow(ranges(f"http://{listen}", ManualClock(now * 1_000_000), since="2d", max_observations=500))
        found = {(series, at): value for series, at, value in points(frames)}
        assert {key: found.get(key) for key in ((f"ph/lake=l{n}", at) for n in range(2) for at in times)} == {
            (f"ph/lake=l{n}", at): pytest.approx(value_at(at, n)) for n in range(2) for at in times
        }


@pytest.mark.slow
def test_a_real_prometheus_gives_the_history_that_it_has(tmp_path: Path, tool: Callable[[str], str]) -> None:
    program, promtool = tool("prometheus"), tool("promtool")
    now = Clock().now_us() // 1_000_000
    first = now - now % 60 - 2 * 86_400
    times = [at for at in range(first, now - 3 * 3600, 60) if not first + 3600 <= at < first + 7200]  # a gap
    lines = [
        "# TYPE ph gauge",
        *(f'ph{{lake="l{n}"}} {value_at(at, n)!r} {at}' for n in range(2) for at in times),
        "# EOF",
    ]
    (tmp_path / "history").write_text("\n".join(lines) + "\n")
    made = tmp_path / "output"
    with running(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "history"), str(tmp_path / "d")], made
    ) as tsdb:
        assert tsdb.wait(60) == 0, made.read_text()
    (tmp_path / "p.yaml").write_text("global: {}\n")
    listen = free_address()
    command = [program, f"--config.file={tmp_path / 'p.yaml'}", f"--storage.tsdb.path={tmp_path / 'd'}",
               f"--web.listen-address={listen}", "--storage.tsdb.retention.time=90d"]  # fmt: skip
    with running(command, made):

        def ready() -> bool:
            try:
                return httpx.get(f"http://{listen}/-/ready", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        eventually(ready, PATIENCE, made.read_text)
        # Each point is five minutes old at most: what is older is missing, as after the gap's beginning.
        source = ranges(f"http://{listen}", ManualClock(now * 1_000_000), since="3d", max_observations=500)
        frames, _ = follow(source)
        source.close()
        found = points(frames)
        given = {(f"ph/lake=l{n}", at): value_at(at, n) for n in range(2) for at in times}
        exact = {(series, at): value for series, at, value in found if (series, at) in given}
        assert exact == {key: pytest.approx(value) for key, value in given.items()}
        held = {at for _, at, _ in found} - set(times)
        assert all(any(0 < at - end <= 300 for end in (first + 3540, times[-1])) for at in held)
        assert len(frames) > 5
        with pytest.raises(DataError, match="parse error"):
            ranges(f"http://{listen}", queries=["ph{"]).fetch(None)
