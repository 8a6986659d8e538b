"""A real Prometheus writes to the daemon, which is killed in between: nothing is lost, nothing is doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from tests.deploy.programs import ask, eventually, free_address, running
from tests.e2e.running import PATIENCE, Running, observations, rows_of, wait_for, write_config

pytestmark = pytest.mark.slow

KILLS = 3


def on_disk(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for name, time_us, value in rows_of(folder / "state"):
        found.setdefault(name, []).append((time_us // 1000, value))
    return found


def test_prometheus_writes_and_the_daemon_is_killed_in_between(tmp_path: Path, tool: Callable[[str], str]) -> None:
    program, listen, own = tool("prometheus"), free_address(), free_address()
    (tmp_path / "token").write_text("a-token\n")
    write_config(
        tmp_path, web={"listen": own}, sources=[{"kind": "push", "name": "prom", "token_file": "token"}],
    )  # fmt: skip
    config = {
        "global": {"scrape_interval": "200ms"},
        "scrape_configs": [{"job_name": "self", "static_configs": [{"targets": [listen]}]}],
        "remote_write": [{
            "url": f"http://{own}/api/v1/write", "authorization": {"credentials": "a-token"},
            "write_relabel_configs": [{"source_labels": ["__name__"], "regex": "up|process_.*", "action": "keep"}],
            "queue_config": {"batch_send_deadline": "100ms", "min_backoff": "50ms", "max_backoff": "200ms"},
        }],
    }  # fmt: skip
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(config))
    command = [program, f"--config.file={tmp_path / 'p.yaml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
               f"--web.listen-address={listen}", "--log.level=warn"]  # fmt: skip
    daemon = Running(tmp_path).ready()
    try:
        with (
            running(command, tmp_path / "output"),
            httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=10) as client,
        ):
            before = 0
            for _ in range(KILLS):
                wait_for(lambda was=before: observations(tmp_path) > was, PATIENCE, "more observations")
                time.sleep(1.0)
                daemon.kill()
                time.sleep(0.5)
                before = observations(tmp_path)
                daemon = Running(tmp_path).ready()
            wait_for(lambda: observations(tmp_path) > before, PATIENCE, "more after the last restart")
            raw = eventually(lambda: ask(client, "query", query='{job="self"}[10m]'), 10, lambda: "no answer")
            wanted = {
                f"{one['metric']['__name__']}/instance={listen}/job=self": [
                    (round(float(at) * 1000), float(value)) for at, value in one["values"]
                ]
                for one in raw
                if one["metric"]["__name__"].startswith(("up", "process_"))
            }
            assert len(wanted) >= 5

            def all_there() -> bool:
                have = on_disk(tmp_path)
                return all(set(points) <= set(have.get(name, [])) for name, points in wanted.items())

            wait_for(all_there, PATIENCE, "everything that Prometheus has")
        assert daemon.metric('sentinel_source_up{source="prom"}') == 1
    finally:
        daemon.kill()
