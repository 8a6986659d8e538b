"""What every source must do, run over every kind that is registered, and over a source that pushes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from sentinel.config import (
    CsvSource,
    HttpSource,
    KafkaSource,
    MqttSource,
    PrometheusSource,
    PushSource,
    SimulateSource,
    SqlSource,
)
from sentinel.domain.errors import ConfigError
from sentinel.domain.observation import Cursor, Frame
from sentinel.simulate import EPOCH_2020_US
from sentinel.sources import SOURCES, PullSource, Source, make_source, make_sources
from tests.e2e.running import wait_for
from tests.fixtures import ManualClock
from tests.sources import services
from tests.sources.answering import Answering
from tests.sources.following import NOW_US, assert_frame, follow, line, table, through_json
from tests.sources.kafka_cluster import Cluster
from tests.sources.logging_table import write_log
from tests.sources.pushing import Receiver, Sender


def csv(folder: Path, *, files: dict[str, str], **settings: object) -> Source:
    for name, text in files.items():
        if not (folder / name).exists():  # a source that is made anew finds the same files
            (folder / name).write_text(text)
    wanted = {"kind": "csv", "name": "lake", "path": str(folder), "max_observations": 30}
    return make_source(CsvSource.model_validate(wanted | settings), ManualClock(NOW_US))


def simulate(**settings: object) -> Source:
    wanted = {"kind": "simulate", "name": "lake", "system": "ar1", "start": "2047-01-01"}
    return make_source(SimulateSource.model_validate(wanted | settings), ManualClock(NOW_US))


@cache
def asked() -> Answering:
    """One server for all tests: it has no state."""
    return Answering()


def prometheus(**settings: object) -> Source:
    wanted = {"kind": "prometheus", "name": "lake", "url": asked().url, "queries": ["ph"]}
    return make_source(PrometheusSource.model_validate(wanted | settings), ManualClock(NOW_US))


@cache
def polled() -> Answering:
    """Likewise, with the observations of a data stream."""
    server = Answering()
    server.answer = services.sensorthings(NOW_US // 1_000_000)
    return server


def http(**settings: object) -> Source:
    wanted = {"kind": "http", "name": "lake", "url": polled().url, "preset": "sensorthings", "max_observations": 120}
    return make_source(HttpSource.model_validate(wanted | settings), ManualClock(NOW_US))


@cache
def kafka_cluster() -> Cluster:
    """Likewise, with a hundred messages."""
    cluster = Cluster()
    cluster.send(*({"v": n, "at": int(EPOCH_2020_US / 1e6) + n} for n in range(100)))
    return cluster


def kafka(**settings: object) -> Source:
    wanted = {
        "kind": "kafka", "name": "lake", "brokers": kafka_cluster().brokers, "topics": ["lakes"], "max_messages": 30,
        "values": ["v"], "time": "at", "time_format": "seconds",
    }  # fmt: skip
    return make_source(KafkaSource.model_validate(wanted | settings), ManualClock(NOW_US))


def sqlite(path: Path, **settings: object) -> Source:
    if not path.exists():
        write_log(path, [(int(EPOCH_2020_US / 1e6) + n // 7, n, f"s{n % 7}", float(n)) for n in range(100)])
    wanted = {"kind": "sql", "name": "lake", "database": f"sqlite:{path}", "query": "SELECT * FROM log"}
    return make_source(SqlSource.model_validate(wanted | settings), ManualClock(NOW_US))


NOWHERE = {"url": "mqtt://127.0.0.1:1", "topics": ["lakes/#"]}
LONG = "time,series,value\n" + "".join(line(n).replace(",", f",s{n % 3},") for n in range(100))
WIDE = "time,a,b,note\n" + "".join(f"{line(n).strip()},{n},calm\n" for n in range(100, 150))
EXAMPLES: dict[str, dict[str, Callable[[Path], Source]]] = {
    "csv": {
        "file": lambda folder: csv(folder, files={"a.csv": table(range(100))}, path=str(folder / "a.csv")),
        "wide": lambda folder: csv(folder, files={"a.csv": table(range(70)), "b.csv": WIDE}),
        "long": lambda folder: csv(folder, files={"a.csv": LONG}),
        "nothing": lambda folder: csv(folder, files={}),
    },
    "simulate": {
        "endless": lambda _: simulate(),
        "named": lambda _: simulate(series="ph", system="nile"),
    },
    "prometheus": {"history": lambda _: prometheus(since="1d", max_observations=500), "now": lambda _: prometheus()},
    "sql": {
        "sqlite": lambda folder: sqlite(folder / "a.db", max_rows=30, time_format="seconds"),
        "empty": lambda folder: sqlite(folder / "a.db", query="SELECT * FROM log WHERE id < 0"),
    },
    "http": {"history": lambda _: http(since="3d"), "now": lambda _: http()},
    "mqtt": {"closed": lambda _: make_source(MqttSource(kind="mqtt", name="lake", **NOWHERE), ManualClock(NOW_US))},
    "kafka": {"history": lambda _: kafka()},
    "push": {"open": lambda _: make_source(PushSource(kind="push", name="lake"), ManualClock(NOW_US))},
}
"""By kind: sources that say something, or nothing, when they are made anew."""
ALL = [(kind, name) for kind, named in EXAMPLES.items() for name in named]


@pytest.fixture(params=ALL, ids="/".join)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Source]:
    """Make one example, each time anew, as after a restart."""
    kind, name = request.param
    return lambda: EXAMPLES[kind][name](tmp_path)


@pytest.fixture
def pull(make: Callable[[], Source]) -> Callable[[], PullSource]:
    """The same, of the sources that are asked."""

    def pulled() -> PullSource:
        source = make()
        assert isinstance(source, PullSource)
        return source

    if not isinstance(make(), PullSource):
        pytest.skip("pushes")
    return pulled


def told(frames: list[Frame]) -> list[tuple[str, object, float]]:
    return [row for frame in frames for row in frame.observations.iter_rows()]


def test_there_is_an_example_of_every_kind() -> None:
    assert EXAMPLES.keys() == SOURCES.keys()


def test_it_describes_itself_in_one_line_and_its_remarks_are_lines(make: Callable[[], Source]) -> None:
    source = make()
    assert source.name in ("lake", "buoys")
    assert len(source.describe().splitlines()) == 1
    assert all(len(remark.splitlines()) == 1 for remark in source.remarks())


def test_it_can_be_closed_twice_read_or_not(pull: Callable[[], PullSource]) -> None:
    unread, read = pull(), pull()
    read.fetch(None)
    for source in (unread, read):
        source.close()
        source.close()


def test_nothing_comes_twice_and_the_watermark_never_goes_back(pull: Callable[[], PullSource]) -> None:
    frames, _ = follow(pull())
    rows = told(frames)
    assert len({(series, time) for series, time, _ in rows}) == len(rows)
    watermarks = [frame.watermark_us for frame in frames if frame.watermark_us is not None]
    assert watermarks
    assert watermarks == sorted(watermarks)


@pytest.mark.slow
def test_from_any_cursor_it_goes_on_after_a_restart(pull: Callable[[], PullSource]) -> None:
    frames, _ = follow(pull())
    rest: list[Frame]
    for n, frame in enumerate(frames):
        rest, _ = follow(pull(), through_json(frame.cursor))
        assert told([*frames[: n + 1], *rest]) == told(frames)


def test_when_nothing_is_new_the_frame_is_empty_and_the_cursor_stays(pull: Callable[[], PullSource]) -> None:
    source = pull()
    _, cursor = follow(source)
    frame = source.fetch(cursor)
    assert frame.observations.is_empty()
    assert frame.cursor == cursor
    assert frame.watermark_us is not None


def test_the_same_cursor_gives_the_same_frame(pull: Callable[[], PullSource]) -> None:
    cursor: Cursor | None
    for cursor in (None, through_json(pull().fetch(None).cursor)):
        one, other = pull().fetch(cursor), pull().fetch(cursor)
        assert one.observations.equals(other.observations)
        assert replace(one, observations=None) == replace(other, observations=None)


def test_every_series_that_comes_was_known_where_any_is(pull: Callable[[], PullSource]) -> None:
    known = pull().known_series()
    frames, _ = follow(pull())
    assert known is None or {series for series, _, _ in told(frames)} <= known


def test_names_are_known_where_they_are_not_in_the_rows(tmp_path: Path) -> None:
    assert EXAMPLES["csv"]["wide"](tmp_path).known_series() == {"n", "a", "b", "note"}
    assert simulate(series="ph").known_series() == {"ph"}


def test_all_sources_that_cannot_work_are_named_at_once() -> None:
    fine, wrong = (
        SimulateSource.model_validate({"kind": "simulate", "name": name, "system": system})
        for name, system in (("a", "ar1"), ("b", "sea"))
    )
    with pytest.raises(ConfigError) as caught:
        make_sources([wrong, fine, wrong], ManualClock(NOW_US))
    assert [line.partition(";")[0] for line in str(caught.value).splitlines()] == [
        "sources[0].system: 'sea'",
        "sources[2].system: 'sea'",
    ]


@pytest.mark.slow
def test_what_check_asks_a_source_needs_no_table_library(tmp_path: Path) -> None:
    code = (
        "import sys; from sentinel.config import load; from sentinel.domain.clock import Clock;"
        "from sentinel.sources import make_sources;"
        "[(s.describe(), s.remarks()) for s in make_sources(load(sys.argv[1]).sources, Clock())];"
        "print([name for name in ('polars', 'torch', 'numba', 'apscheduler') if name in sys.modules])"
    )
    config = tmp_path / "s.yaml"
    config.write_text(
        "sources: [{kind: csv, name: a, path: a.csv}, {kind: simulate, name: b, system: lake}, {kind: push, name: c}, "
        "{kind: prometheus, name: d, url: 'http://localhost:1', queries: [up]}, "
        "{kind: sql, name: e, database: 'sqlite:a', query: SELECT 1}, "
        "{kind: mqtt, name: f, url: 'mqtt://h', topics: [a]}, {kind: http, name: g, url: 'http://h'}, "
        "{kind: kafka, name: h, brokers: 'h:1', topics: [a]}]\n"
    )
    run = subprocess.run([sys.executable, "-c", code, config], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def receive(sender: Sender, cursor: Cursor | None, numbers: list[int], acknowledged: int) -> list[Frame]:
    """Receive these messages, take no more, and acknowledge up to a number."""
    source, frames = Receiver(sender.port), []

    def take(frame: Frame) -> bool:
        assert_frame(frame, source.name)
        assert through_json(frame.cursor) == frame.cursor
        frames.append(frame)
        return len(frames) < len(numbers)

    assert len(source.describe().splitlines()) == 1
    source.start(cursor, take)
    wait_for(lambda: len(frames) == len(numbers), 10.0, "all frames")
    assert [frame.cursor["number"] for frame in frames] == numbers
    for frame in frames:
        if frame.cursor["number"] <= acknowledged:
            source.acknowledge(frame.cursor)
    wait_for(lambda: len(sender.acknowledged) == acknowledged, 10.0, "all acknowledgements")
    source.close()
    source.close()
    assert {series for series, _, _ in told(frames)} <= source.known_series()
    watermarks = [frame.watermark_us for frame in frames]
    assert watermarks == sorted(watermarks)
    return frames


def test_a_source_that_pushes_hands_over_in_order_and_after_a_restart_what_was_not_acknowledged() -> None:
    sender = Sender(50)
    try:
        frames = receive(sender, None, list(range(1, 41)), acknowledged=30)
        again = receive(sender, through_json(frames[29].cursor), list(range(31, 51)), acknowledged=50)
    finally:
        sender.close()
    assert told(again)[:10] == told(frames)[30:]
