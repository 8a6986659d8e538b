"""Readings by remote write: what is written is what is read, in order whatever the receiver does, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.config import RemoteWriteNotify
from sentinel.domain.metrics import Metrics
from sentinel.notify import Points
from sentinel.notify.remote_write import encode
from sentinel.pipeline.history import History
from sentinel.runtime import readings
from sentinel.runtime.readings import Readings
from sentinel.runtime.replica import Replica
from sentinel.sources.labels import Names
from sentinel.sources.remote_write import inflate, read_write_request
from sentinel.sources.rows import Rows
from tests.deploy.programs import eventually, free_address, running
from tests.e2e.running import wait_for
from tests.fixtures import value
from tests.notify.conftest import Web
from tests.pipeline.streams import HOUR_US
from tests.runtime.rig import CHOSEN, Rig, frame

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


@contextmanager
def sending(folder: Path, url: str, started: int = 0, **more: Any) -> Iterator[tuple[Rig, Metrics]]:
    """An engine whose readings are sent; those of the first ticks, which came before a start, are not."""
    settings, metrics = RemoteWriteNotify.model_validate({"kind": "remote_write", "url": url, **more}), Metrics()
    sent = Readings([settings], metrics, ("lake",))
    rig = Rig(folder, CHOSEN)
    rig.engine._replica = Replica(rig.engine.settings, History(0), watch=sent.observe)
    rig.feed(frame(0, started))
    sent.start()
    yield rig, metrics
    sent.close(2.0)


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


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return value(metrics, f"sentinel_readings_{name}", sink="readings", **labels)


def test_each_reading_is_sent_once_at_the_end_of_its_tick_whatever_the_receiver_answers(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "FIRST_RETRY_SECONDS", 0.01)
    web.answers += [503, 429, 500]
    with sending(tmp_path / "sent", web.address) as (rig, metrics):
        for first in (0, 60, 61, 90):
            rig.feed(frame(first, {0: 60, 60: 61, 61: 90, 90: 130}[first]))
        wait_for(lambda: not counted(metrics, "waiting"), 20.0, "the receiver")
    taken = read(*bodies(web)[3:])
    # What was refused is what is sent again, and nothing before it.
    assert bodies(web)[:3] == [bodies(web)[3]] * 3
    assert lag1_of(taken) == expected(Rig(tmp_path / "other", CHOSEN), 130)
    for points in taken.values():
        assert [at for at, _ in points] == sorted({at for at, _ in points})
    key = 'sentinel_series_value{job="sentinel-readings",series="s0",source="buoys"}'
    assert taken[key][0] == (HOUR_US // 2, float(frame(0, 1).observations["value"][0]))
    assert counted(metrics, "sent_total") == sum(map(len, taken.values()))
    headers = web.got[0][1]
    assert (headers["content-encoding"], headers["x-prometheus-remote-write-version"]) == ("snappy", "0.1.0")


def test_what_was_before_the_start_is_not_sent_again(web: Web, tmp_path: Path) -> None:
    with sending(tmp_path, web.address, started=100) as (rig, metrics):
        rig.feed(frame(100, 110))
        wait_for(lambda: not counted(metrics, "waiting"), 20.0, "the receiver")
    first = min(at for points in read(*bodies(web)).values() for at, _ in points)
    assert first > 98 * HOUR_US


def test_only_series_that_match_are_sent(web: Web, tmp_path: Path) -> None:
    with sending(tmp_path, web.address, match="s[01]", labels={"job": "x"}) as (rig, _):
        rig.feed(frame(0, 60))
    assert {key.split('series="')[1][:2] for key in read(*bodies(web))} == {"s0", "s1"}


def test_a_receiver_that_is_down_holds_nobody_up_and_the_oldest_go_counted(tmp_path: Path) -> None:
    with sending(tmp_path, f"http://{free_address()}", queue_points=1_000) as (rig, metrics):
        for first in range(0, 300, 20):
            rig.feed(frame(first, first + 20))
        assert rig.engine.snapshot.view("s0").ticks == 299
        dropped = counted(metrics, "dropped_total", reason="full")
        assert dropped > 0
    assert counted(metrics, "dropped_total", reason="stopped") > 0
    assert counted(metrics, "waiting") == 0
    assert counted(metrics, "sent_total") == 0


def test_what_is_refused_is_dropped_and_the_rest_goes_on(web: Web, tmp_path: Path) -> None:
    web.answers += [400]
    with sending(tmp_path, web.address) as (rig, metrics):
        rig.feed(frame(0, 30))
        wait_for(lambda: counted(metrics, "dropped_total", reason="refused"), 20.0, "the refusal")
        rig.feed(frame(30, 60))
        wait_for(lambda: counted(metrics, "sent_total"), 20.0, "the receiver")
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

        eventually(answers, 30, (tmp_path / "output").read_text)
        with sending(tmp_path / "state", f"http://{listen}/api/v1/write") as (rig, metrics):
            rig.feed(frame(0, 200))  # hours of 1970, read in one go
            wait_for(lambda: not counted(metrics, "waiting"), 30.0, "VictoriaMetrics")
        assert counted(metrics, "dropped_total", reason="refused") == 0
        httpx.get(f"http://{listen}/internal/force_flush", trust_env=False)
        names = 'sentinel_series_lag1_autocorrelation{series="s1"}[300h]'
        answer = ask("/api/v1/query", query=names, time=300 * 3600)
        (result,) = answer["data"]["result"]
        got = [(round(float(at) * 1e6), float(number)) for at, number in result["values"]]
        want = expected(Rig(tmp_path / "other", CHOSEN), 200)["s1"]
        assert got == [(at, pytest.approx(number)) for at, number in want]
        assert result["metric"]["job"] == "sentinel-readings"
