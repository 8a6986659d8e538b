"""Readings by remote write: what is written is what is read, in order whatever the receiver does, and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel.config import RemoteWriteNotify
from sentinel.notify import Points, RemoteWriter
from sentinel.notify.remote_write import encode
from sentinel.sources.labels import Names
from sentinel.sources.remote_write import inflate, read_write_request
from sentinel.sources.rows import Rows
from tests.deploy.programs import eventually, free_address, running
from tests.e2e.running import PATIENCE, wait_for
from tests.notify.conftest import Web
from tests.pipeline.streams import HOUR_US
from tests.runtime.rig import CHOSEN, Rig, frame, room_for

Found = dict[str, list[tuple[int, float]]]
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SERIES = st.builds(
    lambda labels, points: Points(labels, [at for at, _ in points], [number for _, number in points]),
    st.dictionaries(NAMES, NAMES, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(-(10**12), 10**12), NUMBERS), min_size=1, max_size=4),
)


def read(*bodies: bytes) -> Found:
    """Decode as a receiver does."""
    found: Found = {}
    for body in bodies:
        rows = Rows(1 << 60)
        read_write_request(body, rows, Names(None, keep=True))
        table = rows.frame("x", {}, 0).observations
        for name, at, number in zip(rows._series, rows._time_us, rows._value, strict=True):
            found.setdefault(name, []).append((at, number))
        assert table.height == len(rows)
    return found


@pytest.mark.slow
@given(st.lists(SERIES, max_size=4))
def test_a_message_is_read_as_it_was_written(series: list[Points]) -> None:
    written: Found = {}
    names = Names(None, keep=True)
    for one in series:
        key = names.name(one.labels)
        assert key
        pairs = zip(one.time_ms, one.value, strict=True)
        written.setdefault(key, []).extend((at * 1000, number) for at, number in pairs)
    assert read(encode(series)) == written


def writer(url: str, **more: Any) -> RemoteWriter:
    settings = RemoteWriteNotify.model_validate({"kind": "remote_write", "url": url, **more})
    return RemoteWriter(settings, ("lake",))


def sending(folder: Path, url: str, **more: Any) -> Rig:
    """An engine whose readings are sent."""
    return Rig(folder, CHOSEN, readings=writer(url, **more))


def wait_until_sent(rig: Rig) -> None:
    def is_sent() -> bool:
        rig.engine.turn(0.0)
        return not counted(rig, "waiting")

    wait_for(is_sent, 20.0, "the receiver")


def expected(rig: Rig, until: int) -> Found:
    """Lag 1 at the end of each tick, as a second run gives it one tick at a time."""
    found: Found = {}
    for tick in range(until):
        rig.feed(frame(tick, tick + 1))
        for view in rig.engine.snapshot.views():
            if np.isfinite(view.estimates.lag1):
                points = found.setdefault(view.name, [])
                if not points or points[-1][0] != view.time_us:
                    points.append((view.time_us, view.estimates.lag1))
    return found


def lag1_of(found: Found) -> Found:
    names = {key: key.split('series="')[1].split('"')[0] for key in found if "lag1_autocorrelation{" in key}
    return {name: found[key] for key, name in names.items()}


def bodies(web: Web) -> list[bytes]:
    return [inflate(body, 1 << 26) for _, _, body in web.got]


def counted(rig: Rig, name: str, **labels: str) -> float:
    return rig.count(f"readings_{name}", sink="readings", **labels)


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_each_reading_is_sent_once_at_the_end_of_its_tick_whatever_the_receiver_answers(
    web: Web, tmp_path: Path
) -> None:
    web.answers += [503, 429, 500]
    rig = sending(tmp_path / "sent", web.address)
    for first, last in pairwise((0, 60, 61, 90, 130)):
        rig.feed(frame(first, last))
    wait_until_sent(rig)
    taken = read(*bodies(web)[3:])
    for refused, again in pairwise(read(body) for body in bodies(web)[:4]):
        assert refused == {name: again[name][: len(points)] for name, points in refused.items()}, "nothing overtakes it"
    assert lag1_of(taken) == expected(Rig(tmp_path / "other", CHOSEN), 130)
    for points in taken.values():
        assert [at for at, _ in points] == sorted({at for at, _ in points})
    key = 'sentinel_series_value{job="sentinel-readings",series="s0",source="buoys"}'
    assert taken[key][0] == (HOUR_US // 2, float(frame(0, 1).observations["value"][0]))
    assert counted(rig, "sent_total") == sum(map(len, taken.values()))
    headers = web.got[0][1]
    assert (headers["content-encoding"], headers["x-prometheus-remote-write-version"]) == ("snappy", "0.1.0")


def test_a_receiver_that_is_new_is_sent_what_follows(web: Web, tmp_path: Path) -> None:
    Rig(tmp_path, CHOSEN).feed(frame(0, 100))  # without a checkpoint: all of it is replayed
    rig = sending(tmp_path, web.address)
    rig.feed(frame(100, 110))
    wait_until_sent(rig)
    first = min(at for points in read(*bodies(web)).values() for at, _ in points)
    assert first > 98 * HOUR_US


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.booleans(), st.sampled_from(["go on", "checkpoint", "crash", "no room"])),
        min_size=1, max_size=5,
    )
)  # fmt: skip
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_reading_is_lost_or_sent_out_of_order_by_outages_and_crashes(
    at_once: None, web: Web, steps: list[tuple[int, bool, str]]
) -> None:
    """What waited when the daemon was killed was lost once: it waited in memory."""
    web.got.clear()
    down, tick = f"http://{free_address()}", 0
    with TemporaryDirectory() as folder:
        rig = sending(Path(folder) / "sent", web.address)
        for length, works, then in steps:
            rig.engine.reload(rig.engine.settings, {"readings": writer(web.address if works else down)})
            rig.inbox.put(frame(tick, tick + length))
            with room_for(rig.journal, 2) if then == "no room" else nullcontext():
                while rig.engine.turn(0.0):
                    pass
            tick += length
            if then == "checkpoint":
                rig.engine.checkpoint()
            if then in ("crash", "no room"):  # a crash loses what the disk had no room for, and the source tells again
                rig.journal.close()
                rig = sending(Path(folder) / "sent", web.address)
                rig.inbox.put(frame(0, tick))
        rig.engine.reload(rig.engine.settings, {"readings": writer(web.address)})
        wait_until_sent(rig)
        want = expected(Rig(Path(folder) / "other", CHOSEN), tick)
        rig.journal.close()
    got: Found = {}
    for name, points in lag1_of(read(*bodies(web))).items():
        got[name] = sorted(set(points))
    assert got == want


def test_only_series_that_match_are_sent(web: Web, tmp_path: Path) -> None:
    rig = sending(tmp_path, web.address, match="s[01]", labels={"job": "x"})
    rig.feed(frame(0, 60))
    wait_until_sent(rig)
    assert {key.split('series="')[1][:2] for key in read(*bodies(web))} == {"s0", "s1"}


@pytest.mark.slow
def test_a_receiver_that_is_down_holds_nobody_up_and_the_oldest_go_counted(web: Web, tmp_path: Path) -> None:
    rig = sending(tmp_path, f"http://{free_address()}", queue_points=1_000)
    for first in range(0, 300, 20):
        rig.feed(frame(first, first + 20))
    assert rig.engine.snapshot.view("s0").ticks == 299
    dropped, left = counted(rig, "dropped_total", reason="full"), counted(rig, "waiting")
    assert dropped > 0
    assert 0 < left <= 1_000
    assert counted(rig, "sent_total") == 0
    assert rig.count("notification_failures_total", sink="readings") > 0
    rig.journal.close()
    again = sending(tmp_path, web.address)
    assert counted(again, "waiting") == left, "what waited still does"
    wait_until_sent(again)
    assert sum(map(len, read(*bodies(web)).values())) == left


def test_what_is_refused_is_dropped_and_the_rest_goes_on(web: Web, tmp_path: Path) -> None:
    web.answers += [400]
    rig = sending(tmp_path, web.address)
    rig.feed(frame(0, 30))
    wait_until_sent(rig)
    assert counted(rig, "dropped_total", reason="refused") > 0
    rig.feed(frame(30, 60))
    wait_until_sent(rig)
    assert counted(rig, "sent_total") > 0
    assert len(web.got) >= 2


@pytest.mark.slow
def test_a_history_stands_in_victoriametrics_where_it_was_measured(tmp_path: Path, tool: Callable[[str], str]) -> None:
    program, listen = tool("victoria-metrics"), free_address()
    command = [program, f"-storageDataPath={tmp_path / 'data'}", f"-httpListenAddr={listen}", "-retentionPeriod=100y"]
    with running(command, tmp_path / "output"):

        def ask(path: str, **form: object) -> Mapping[str, Any]:
            return httpx.get(f"http://{listen}{path}", params=form, trust_env=False).json()

        def answers() -> bool:
            try:
                return httpx.get(f"http://{listen}/health", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        eventually(answers, PATIENCE, (tmp_path / "output").read_text)
        rig = sending(tmp_path / "state", f"http://{listen}/api/v1/write")
        rig.feed(frame(0, 200))  # hours of 1970, read in one go
        wait_until_sent(rig)
        assert counted(rig, "dropped_total", reason="refused") == 0
        httpx.get(f"http://{listen}/internal/force_flush", trust_env=False)
        names = 'sentinel_series_lag1_autocorrelation{series="s1"}[300h]'
        answer = ask("/api/v1/query", query=names, time=300 * 3600)
        (result,) = answer["data"]["result"]
        got = [(round(float(at) * 1e6), float(number)) for at, number in result["values"]]
        want = expected(Rig(tmp_path / "other", CHOSEN), 200)["s1"]
        assert got == [(at, pytest.approx(number)) for at, number in want]
        assert result["metric"]["job"] == "sentinel-readings"
