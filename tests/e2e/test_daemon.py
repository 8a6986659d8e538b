"""The daemon as an operator meets it: a process, its signals, its ports, its exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pytest

from sentinel.commands.replay import results
from sentinel.config import Settings
from sentinel.domain.states import Reason
from sentinel.journal import Journal
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.pipeline.results import Rows
from sentinel.runtime.replica import Replica
from tests.e2e.running import (
    PATIENCE,
    START_SECONDS,
    Running,
    long_csv,
    observations,
    requested,
    wait_for,
    write_config,
)
from tests.fixtures import events_of
from tests.packages import copy_packages
from tests.pipeline.streams import HOUR_US, ar1, through

VALUES = ar1(1, np.where(np.arange(600) % 200 < 140, 0.95, -0.5), 600, 3)
ALARMS = [{"threshold": 0.5, "alpha": 0.001, "at_start": "alarm"}]
START_US = 1_577_836_800_000_000
"""2020-01-01, where `long_csv` begins."""
Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start daemons in the test's folder; whatever still runs at the end is killed."""
    started: list[Running] = []

    def begin(folder: Path = tmp_path, **environment: str) -> Running:
        started.append(Running(folder, **environment))
        return started[-1]

    yield begin
    for daemon in started:
        daemon.kill()


def fed(folder: Path, number: int) -> None:
    wait_for(lambda: observations(folder) >= number, PATIENCE, f"{number} observations in the journal")


@pytest.mark.slow
def test_it_serves_and_ends_in_order_on_sigterm_and_goes_on_where_it_was(tmp_path: Path, start: Start) -> None:
    write_config(tmp_path, alarms=ALARMS)
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:300]))
    daemon = start().ready()
    assert daemon.get("/-/healthy").status_code == 200
    fed(tmp_path, 900)
    wait_for(lambda: daemon.metric('sentinel_ticks_total{source="lake"}') == 897, PATIENCE, "897 ticks")
    assert daemon.metric("sentinel_ready") == 1
    assert daemon.metric("sentinel_ingestion_stopped") == 0
    assert daemon.get("/").status_code == 200
    assert daemon.get("/api/v1/series/s0").json()["ticks"] == 299
    downloaded = [float(line.split(",")[2]) for line in daemon.get("/download/s0").text.splitlines()[1:]]
    assert downloaded == VALUES[:300, 0].tolist(), "beside the engine, which writes to the same journal"
    daemon.stop_in_time()
    with Journal.open(tmp_path / "state") as journal:
        checkpoint = journal.checkpoints.load()
        assert checkpoint is not None
        assert list(journal.tail(checkpoint.batch)) == [], "the checkpoint holds everything"
        before = events_of(journal)
    told = (tmp_path / "notifications.jsonl").read_text().splitlines()
    assert len(told) == len(before) > 0
    with (tmp_path / "data.csv").open("a") as file:
        file.write(long_csv(VALUES[300:], 300, header=False))
    again = start().ready()
    fed(tmp_path, 1_800)
    wait_for(lambda: again.metric('sentinel_ticks_total{source="lake"}') == 900, PATIENCE, "900 more ticks")
    assert again.get("/api/v1/series/s0").json()["ticks"] == 599
    assert again.metric('sentinel_observations_duplicate_total{source="lake"}') == 0
    for changes, said in (({"nonsense": 1}, "configuration not reloaded"), ({}, 'msg="configuration reloaded"')):
        write_config(tmp_path, alarms=ALARMS, **changes)
        again.signal(signal.SIGHUP)
        again.said(said)
    again.stop()
    names = tuple((i, f"s{i}", "lake") for i in range(3))
    stamps = START_US + np.repeat(np.arange(600), 3) * HOUR_US
    batch = Batch(np.tile(np.arange(3), 600), stamps, VALUES.ravel(), names, source="lake")
    expected = through(Pipeline(Settings.model_validate({"alarms": ALARMS})), [batch], finish=False)
    with Journal.open(tmp_path / "state") as journal:
        events = events_of(journal)
        kept = [(c.time_us, c.series, c.value) for c in journal.tail(0)]
    assert sorted(event["id"] for event in events) == sorted(event.id for event in expected.events)
    for column, whole in enumerate((stamps, batch.series, batch.value)):
        assert np.concatenate([part[column] for part in kept]).tobytes() == whole.tobytes()
    told = (tmp_path / "notifications.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in told] == [event["id"] for event in events]


@pytest.mark.slow
def test_sighup_takes_new_settings_keeps_the_old_where_the_file_is_bad_and_shows_what_needs_a_restart(
    tmp_path: Path, start: Start
) -> None:
    write_config(tmp_path, alarms=ALARMS)
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:300]))
    daemon = start().ready()
    fed(tmp_path, 900)
    good = (tmp_path / "sentinel.yaml").read_text()
    (tmp_path / "sentinel.yaml").write_text(good + "nonsense: 1\n")
    daemon.signal(signal.SIGHUP)
    daemon.said("configuration not reloaded")
    assert daemon.metric("sentinel_config_last_reload_successful") == 0
    (tmp_path / "sentinel.yaml").unlink()
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.log.count("configuration not reloaded") == 2, PATIENCE, "second refusal")
    assert daemon.get("/-/ready").status_code == 200
    new = {
        "alarms": [{"threshold": 0.25, "alpha": 0.001, "at_start": "alarm"}], "banks": {"default": {"kappa": 1.5}}
    }  # fmt: skip
    write_config(tmp_path, **new)
    daemon.signal(signal.SIGHUP)
    daemon.said("banks.default.kappa: has gone")
    daemon.said("configuration reloaded")
    assert daemon.metric("sentinel_config_last_reload_successful") == 1
    wait_for(lambda: "0.25" in str(daemon.get("/api/v1/series/s0").json()["rules"]), PATIENCE, "the new rule")
    assert daemon.get("/api/v1/series/s0").json()["ticks"] == 299, "the cells were kept"

    assert daemon.metric('sentinel_config_restart_required{reason="web"}') == 0
    write_config(tmp_path, **new, web={"listen": "127.0.0.1:0", "max_series": 7})
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.metric('sentinel_config_restart_required{reason="web"}') == 1, PATIENCE, "it is shown")
    assert daemon.metric('sentinel_config_restart_required{reason="daemon"}') == 0
    assert "in force after a restart: web" in daemon.get("/").text
    daemon.said("these sections change at a restart.*sections=web")
    write_config(tmp_path, **new)
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.metric('sentinel_config_restart_required{reason="web"}') == 0, PATIENCE, "it is taken back")
    assert "in force after a restart" not in daemon.get("/").text
    daemon.stop()


@pytest.mark.slow
def test_a_bad_configuration_ends_with_78_and_a_taken_port_with_1(tmp_path: Path, start: Start) -> None:
    write_config(tmp_path, webb={})
    bad = start()
    assert bad.process.wait(START_SECONDS) == 78
    assert "webb" in bad.log
    with socket.create_server(("127.0.0.1", 0)) as taken:
        write_config(tmp_path, web={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        refused = start()
        assert refused.process.wait(START_SECONDS) == 1
    assert "web.listen" in refused.log
    assert "Traceback" not in bad.log + refused.log


@pytest.mark.slow
def test_a_file_that_is_not_there_yet_is_said_and_a_second_process_meanwhile_ends_with_73(
    tmp_path: Path, start: Start
) -> None:
    write_config(tmp_path)
    daemon = start().ready()
    second = start()
    assert daemon.metric('sentinel_source_up{source="lake"}') == 0
    daemon.said("source cannot be read")
    assert second.process.wait(START_SECONDS) == 73
    assert "in use by process" in second.log
    assert "Traceback" not in second.log
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:100]))
    fed(tmp_path, 300)
    wait_for(lambda: daemon.metric('sentinel_source_up{source="lake"}') == 1, PATIENCE, "the source is up")
    daemon.stop_in_time()


@pytest.mark.slow
def test_a_state_folder_that_is_taken_away_stops_ingestion_with_one_clear_line_until_it_is_back(
    tmp_path: Path, start: Start
) -> None:
    write_config(tmp_path)
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:100]))
    daemon = start().ready()
    fed(tmp_path, 300)
    for times, why in enumerate(("removed", "replaced by another file"), 1):
        tries = daemon.metric("sentinel_commit_failures_total")
        (tmp_path / "state").rename(tmp_path / "away")
        if why != "removed":
            with Journal.open(tmp_path / "state"):
                pass
        with (tmp_path / "data.csv").open("a") as file:
            file.write(long_csv(VALUES[100 * times : 100 * times + 100], 100 * times, header=False))
        wait_for(lambda: daemon.metric("sentinel_ingestion_stopped") == 1, PATIENCE, "it stops")
        line = f"sentinel.db: {why} while this process has it open; put it back, or start again"
        wait_for(lambda: line in daemon.get("/-/ready").text, PATIENCE, line)  # noqa: B023 - first "removed", if it looks then
        assert daemon.get("/-/ready").status_code == 503
        assert "ingestion stopped" in daemon.get("/").text
        wait_for(lambda: daemon.metric("sentinel_commit_failures_total") >= tries + 2, PATIENCE, "it is tried again")  # noqa: B023
        assert daemon.log.count('msg="ingestion stopped') == times
        if why != "removed":
            assert observations(tmp_path) == 0, "nothing is written to a file that is not its own"
            (tmp_path / "state").rename(tmp_path / "other")
        (tmp_path / "away").rename(tmp_path / "state")
        fed(tmp_path, 300 + 300 * times)
        daemon.ready()
        assert daemon.metric("sentinel_ingestion_stopped") == 0
    daemon.stop()
    assert "Traceback" not in daemon.log


@pytest.mark.slow
def test_sigterm_while_it_catches_up_ends_it_in_time_and_loses_nothing(tmp_path: Path, start: Start) -> None:
    values = ar1(2, 0.7, 30_000, 10)
    write_config(tmp_path, daemon={"state_dir": "state", "inbox_observations": 60_000})
    (tmp_path / "data.csv").write_text(long_csv(values))
    daemon = start()
    fed(tmp_path, 1)
    daemon.stop_in_time()
    known = observations(tmp_path)
    assert 0 < known < values.size, "it had taken in everything before it was stopped"
    again = start()
    wait_for(lambda: observations(tmp_path) == values.size, START_SECONDS, "the rest")
    again.stop()


@pytest.mark.slow
def test_sigterm_at_500_series_under_load_ends_it_in_time(tmp_path: Path, start: Start) -> None:
    values = ar1(3, 0.7, 2_000, 500)
    write_config(tmp_path, alarms=ALARMS)
    (tmp_path / "data.csv").write_text(long_csv(values))
    daemon = start().ready()
    wait_for(lambda: daemon.metric('sentinel_series{source="lake"}') == 500, START_SECONDS, "all series")
    address, ended = daemon.address, Event()

    def look() -> None:
        while not ended.is_set():
            with suppress(httpx.HTTPError):
                for path in ("/metrics", "/", "/api/v1/series?limit=1000"):
                    requested(address + path)

    readers = [Thread(target=look, daemon=True) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        before = observations(tmp_path)
        wait_for(lambda: observations(tmp_path) > before, PATIENCE, "it works on")
        daemon.stop_in_time()
    finally:
        ended.set()
    assert observations(tmp_path) < values.size, "it had taken in everything before it was stopped"


@pytest.mark.slow
def test_sigterm_while_its_modules_are_imported_ends_it_with_0(tmp_path: Path, start: Start) -> None:
    write_config(tmp_path)
    daemon = start(PYTHONVERBOSE="1")
    daemon.said(r"import 'numpy'")
    daemon.stop()
    assert "msg=serving" not in daemon.log, "it had been imported before it was stopped"


@pytest.mark.slow
def test_sigterm_while_the_kernels_are_compiled_for_the_first_time_ends_it_in_time(
    tmp_path: Path, start: Start
) -> None:
    write_config(tmp_path)
    packages = copy_packages(tmp_path / "packages")
    daemon = start(PYTHONPATH=str(packages))
    daemon.said("msg=serving")
    wait_for(lambda: list(packages.rglob("*.nb*")), START_SECONDS, "the first kernel")
    daemon.stop_in_time()
    assert "msg=ready" not in daemon.log, "it had compiled everything before it was stopped"
    assert daemon.log.rstrip().endswith("msg=stopped component=daemon")


# Real lakes.

LAKES = Path(os.environ.get("SENTINEL_TEST_DATA", "../shared/data")) / "lakes" / "peter_paul_2018_2019.csv"


def lakes_by_hand() -> Batch:
    """The file's observations, by (time, name of the series), with no help from sentinel."""
    with LAKES.open() as file:
        table = list(csv.DictReader(file))
    found: list[tuple[int, str, float]] = []
    for line in table:
        time_us = int(np.datetime64(datetime.fromisoformat(line["time"]), "us").astype(np.int64))
        for column, text in line.items():
            if column not in ("time", "lake") and text:
                found.append((time_us, f"{line['lake']}/{column}", float(text)))
    found.sort()
    names: dict[str, int] = {}
    for _, name, _ in found:
        names.setdefault(name, len(names))
    time_us, series, value = zip(*((t, names[n], v) for t, n, v in found), strict=True)
    new = tuple((i, name, "lakes") for name, i in names.items())
    return Batch(np.array(series), np.array(time_us), np.array(value), new, source="lakes")


@pytest.mark.slow
@pytest.mark.skipif(not LAKES.is_file(), reason=f"no lake data at {LAKES}; SENTINEL_TEST_DATA says where they are")
def test_real_lakes_give_the_rows_of_the_pipeline_and_winter_is_one_gap(tmp_path: Path, start: Start) -> None:
    lake = {"kind": "csv", "name": "lakes", "path": str(LAKES.resolve()), "by": ["lake"], "every": "50ms"}
    write_config(tmp_path, sources=[lake | {"max_observations": 700}])
    batch = lakes_by_hand()
    daemon = start().ready()
    wait_for(lambda: observations(tmp_path) == batch.series.size, PATIENCE, "all observations of the file")
    daemon.stop()
    replica = Replica(Settings())
    rows = Rows.join([r.rows for r in results(tmp_path / "state", replica) if r.rows is not None])
    assert rows is not None
    expected = through(Pipeline(Settings()), [batch], finish=False)
    found, known = (by_name(*each) for each in ((replica.state.names, rows), (expected.state.names, expected.rows)))
    assert len(found) == 8
    assert {n: bitwise(mine) for n, mine in found.items()} == {n: bitwise(his) for n, his in known.items()}
    winter = int(np.datetime64("2019-01-01", "us").astype(np.int64))
    for name, mine in found.items():
        before = int(np.sum(mine["end_us"] < winter))
        reasons = [tuple(Reason)[code] for code in mine["reason"]]
        assert mine["tick"][before] - mine["tick"][before - 1] > 200, f"{name}: the winter is not hundreds of rows"
        assert reasons[before] is Reason.GAP, name
        assert np.isnan(mine["value"][before]), name
        assert reasons[before + 1 : before + 30] == [Reason.WARM_UP] * 29, f"{name}: it learns again"


def by_name(names: tuple[str, ...], rows: Rows) -> dict[str, dict[str, np.ndarray]]:
    """The columns of each series, without its number."""
    columns = rows.columns()
    series = columns.pop("series")
    return {name: {title: column[series == i] for title, column in columns.items()} for i, name in enumerate(names)}


def bitwise(columns: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {title: column.tobytes() for title, column in columns.items()}
