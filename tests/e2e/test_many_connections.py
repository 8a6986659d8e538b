"""A peer that opens connections and says nothing, at the number of descriptors that most systems give a process."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.running import PATIENCE, Running, long_csv, wait_for, write_config
from tests.pipeline.streams import ar1

IDLE = 1_100
DESCRIPTORS = 1_024
VALUES = ar1(1, 0.5, 600, 1)


@pytest.fixture
def _descriptors_of_our_own() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"at most {hard} descriptors for this process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("_descriptors_of_our_own")
def test_1100_idle_connections_stop_neither_a_source_nor_the_journal_nor_a_scrape(tmp_path: Path) -> None:
    # They took every descriptor: no source could be opened any more, and no scrape was answered.
    write_config(tmp_path)
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:100]))
    daemon = Running(tmp_path, ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))
    try:
        daemon.ready()
        host, port = daemon.address.removeprefix("http://").split(":")
        failed = daemon.metric('sentinel_source_fetch_failures_total{source="lake"}')
        with ExitStack() as held:
            for number in range(IDLE):
                held.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE))
                if number % 300 == 299:
                    with (tmp_path / "data.csv").open("a") as file:
                        begin = 100 * (number // 300 + 1)
                        file.write(long_csv(VALUES[begin : begin + 100], begin, header=False))
            wait_for(lambda: daemon.metric('sentinel_ticks_total{source="lake"}') == 399, PATIENCE, "399 ticks")
            assert daemon.get("/-/ready").status_code == 200
            assert daemon.get("/").status_code == 200
            assert daemon.metric("process_open_fds") < DESCRIPTORS / 2
            assert daemon.metric('sentinel_source_fetch_failures_total{source="lake"}') == failed
        assert "level=error" not in daemon.log
        assert "level=warning" not in daemon.log
        daemon.stop()
    finally:
        daemon.kill()
