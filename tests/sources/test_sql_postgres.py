"""Source `sql` against a real PostgreSQL, which is restarted while it is read."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from sentinel.config import SqlSource
from sentinel.domain.errors import DataError
from sentinel.domain.observation import Cursor, Frame
from sentinel.sources import PullSource, SourceError, make_source
from sentinel.sources.backoff import RefusedError
from tests.fixtures import ManualClock
from tests.sources.following import through_json
from tests.sources.postgres import Cluster

pytestmark = pytest.mark.slow

NOW = 1_700_000_000
MINE = "pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def cluster(tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tool("pg_ctlcluster")
    cluster = Cluster(tmp_path_factory.mktemp("postgres"))
    cluster.start()
    try:
        cluster.execute(
            "CREATE TABLE r (time timestamptz, id uuid DEFAULT gen_random_uuid(), lake text, ph numeric, o2 real)",
            "CREATE INDEX ON r (time, id)",
            f"INSERT INTO r SELECT to_timestamp({NOW} - 1000 + n / 3), gen_random_uuid(), 'l' || n % 3, n / 7.0, "
            "CASE n WHEN 5 THEN 'NaN'::real WHEN 6 THEN NULL ELSE n END FROM generate_series(0, 2399) AS n",
        )
        yield cluster
    finally:
        cluster.stop()


def records(cluster: Cluster, **settings: object) -> PullSource:
    wanted = {
        "kind": "sql", "name": "lake", "database": f"postgresql://owner@127.0.0.1:{cluster.port}/postgres",
        "password_file": str(cluster.folder / "password"), "query": "SELECT * FROM r WHERE lake LIKE 'l%'",
        "by": ["lake"], "max_rows": 500,
    }  # fmt: skip
    source = make_source(SqlSource.model_validate(wanted | settings), ManualClock(NOW * 1_000_000))
    assert isinstance(source, PullSource)
    return source


def test_every_row_comes_once_though_the_server_is_restarted_in_between(cluster: Cluster) -> None:
    source, cursor, frames = records(cluster), None, []
    while not frames or frames[-1].more:
        if len(frames) == 2:
            cluster.stop()
            with pytest.raises(SourceError):
                source.fetch(cursor)
            cluster.start()
            source = records(cluster)  # it would wait a little, else
        frames.append(source.fetch(cursor))
        cursor = through_json(frames[-1].cursor)
    table = [row for frame in frames for row in frame.observations.iter_rows()]
    assert len({(series, at) for series, at, _ in table}) == len(table) == 2 * 2400 - 2
    assert sum(frame.rejected.get("missing", 0) for frame in frames) == 2
    assert {series for series, _, _ in table} == {f"l{n}/{name}" for n in range(3) for name in ("ph", "o2")}
    assert len(frames) == 5


@pytest.mark.parametrize(
    ("column", "settings"),
    [
        ("time", {}), ("time AT TIME ZONE 'Europe/Berlin'", {"time_zone": "Europe/Berlin"}),
        ("extract(epoch FROM time)", {"time_format": "seconds"}), ("to_char(time, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')", {}),
    ],
)  # fmt: skip
def test_times_of_every_kind_are_read_from_their_place_on(cluster: Cluster, column: str, settings: dict) -> None:
    query = f"SELECT {column} AS time, id, ph FROM r"
    frames: list[Frame] = []
    cursor: Cursor | None = None
    source = records(cluster, query=query, by=[], max_rows=1000, since="700s", **settings)
    while not frames or frames[-1].more:
        frames.append(source.fetch(cursor))
        cursor = through_json(frames[-1].cursor)
    times = [at.timestamp() for frame in frames for at in frame.observations["time"]]
    assert times == sorted(times)
    assert times[-1] == NOW - 201
    assert len(times) == (1500 if settings.get("time_format") else 2400)  # else from the beginning of the day on


def test_a_time_that_python_has_not_stops_no_other_row(cluster: Cluster) -> None:
    cluster.execute(
        "CREATE TABLE odd (time timestamptz, id int, ph real, installed date, naive timestamp, daily time)",
        f"INSERT INTO odd SELECT to_timestamp({NOW} - 100 + n), n, n FROM generate_series(0, 4) AS n",
        "UPDATE odd SET installed = 'infinity', naive = '-infinity', daily = '24:00' WHERE id = 2",
        "INSERT INTO odd VALUES ('infinity', 98, 98), ('0044-03-15 BC', 99, 99)",
    )
    query = "SELECT * FROM odd"
    for settings in ({}, {"since": "1d"}):
        frame = records(cluster, query=query, by=[], columns=["ph"], **settings).fetch(None)
        assert frame.observations["value"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert frame.rejected == ({} if settings else {"bad_time": 1})
    notes = "SELECT time, id, ph, installed, naive, daily FROM odd WHERE id = 2"
    assert records(cluster, query=notes, by=[]).fetch(None).observations["value"].to_list() == [2.0]


def test_it_cannot_write_and_a_slow_query_ends(cluster: Cluster) -> None:
    cluster.execute("CREATE OR REPLACE FUNCTION w() RETURNS int LANGUAGE sql AS 'DELETE FROM r RETURNING 1'")
    with pytest.raises(DataError, match="read-only"):
        records(cluster, query="SELECT time, id, w() AS v FROM r", by=[]).fetch(None)
    with pytest.raises(SourceError, match="statement timeout"):
        records(cluster, query="SELECT time, id, pg_sleep(9)::text AS v FROM r", by=[], timeout="200ms").fetch(None)
    with pytest.raises(DataError, match="does not exist"):
        records(cluster, query="SELECT * FROM nothing", by=[]).fetch(None)


def test_a_server_that_freezes_in_the_middle_of_a_query_is_hung_up_on(cluster: Cluster) -> None:
    # It does not come to see its own limit of time, and was waited for without an end.
    query = "SELECT r.*, pg_sleep(0.9)::text AS slept FROM (SELECT * FROM r LIMIT 1) AS r"
    asleep = f"SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND {MINE}"
    with closing(psycopg.connect(cluster.address, autocommit=True)) as connection, ThreadPoolExecutor() as executor:
        began = time.monotonic()
        reading = executor.submit(records(cluster, query=query, timeout="1s").fetch, None)
        while not (found := connection.execute(asleep).fetchall()):
            assert not reading.done(), reading.result()
        try:
            os.kill(found[0][0], signal.SIGSTOP)
            with pytest.raises(SourceError):
                reading.result(30.0)
        finally:
            os.kill(found[0][0], signal.SIGCONT)
    assert time.monotonic() - began > 6.0, "it had its time"


def test_a_wrong_password_is_not_tried_again_and_never_said(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wr0ng\n")
    source = records(cluster, password_file=str(tmp_path / "password"), every="10ms")
    said = ""
    for _ in range(3):
        with pytest.raises(RefusedError, match="authentication failed") as refused:
            source.fetch(None)
        assert "wr0ng" not in str(refused.value)
        said = str(refused.value)
    assert "not asked again" in said
    (tmp_path / "password").write_text("s3cret\n")
    assert source.fetch(None).observations.height > 0
