"""An open alarm on its way to a person: the real daemon, Prometheus, Alertmanager and a receiver of its messages.

The rules are the shipped ones; only addresses and intervals are replaced.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from tests.deploy.programs import ask, eventually, free_address, running
from tests.e2e.running import PATIENCE, Running, long_csv, write_config
from tests.pipeline.streams import ar1

pytestmark = pytest.mark.slow

LOST_SCRAPES = 20
SLOWING = 300
VALUES = ar1(1, np.where(np.arange(600) < SLOWING, 0.95, -0.5), 600, 3)
"""Three series whose alarms open before tick `SLOWING` and end after it."""


@dataclass
class Receiver:
    """What a person was told: (series, status) of every alert, in order of arrival."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def count(self, status: str) -> Counter[str]:
        """How often each series was said to be `firing` or `resolved`."""
        return Counter(series for series, said in self.told if said == status)


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    """A webhook, and its address."""
    heard = Receiver()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            heard.told += [(alert["labels"].get("series", ""), alert["status"]) for alert in message["alerts"]]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield heard, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(
    deploy: Path, tool: Callable[[str], str], tmp_path: Path, receiver: tuple[Receiver, str]
) -> Iterator[tuple[httpx.Client, str, str]]:
    """A client of a Prometheus, the address that it scrapes every second, and that of the Alertmanager behind it."""
    daemon, listen, alertmanager = free_address(), free_address(), free_address()
    config: dict[str, Any] = yaml.safe_load((deploy / "prometheus" / "scrape.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(deploy / "prometheus" / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [daemon]}]
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    person = {"name": "person", "webhook_configs": [{"url": receiver[1], "send_resolved": True}]}
    route = {"receiver": "person", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump({"route": route, "receivers": [person]}))
    commands = [
        [
            tool("prometheus-alertmanager"), f"--config.file={tmp_path / 'alertmanager.yaml'}",
            f"--storage.path={tmp_path / 'alertmanager'}", f"--web.listen-address={alertmanager}",
            "--cluster.listen-address=",
        ],
        [
            tool("prometheus"), f"--config.file={tmp_path / 'prometheus.yaml'}",
            f"--storage.tsdb.path={tmp_path / 'prometheus'}", f"--web.listen-address={listen}",
        ],
    ]  # fmt: skip
    with ExitStack() as stack:
        for number, command in enumerate(commands):
            stack.enter_context(running(command, tmp_path / f"output{number}"))
        client = stack.enter_context(httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=10))
        yield client, daemon, alertmanager


def test_no_restart_and_no_lost_scrape_resolves_an_open_alarm_and_its_end_does(
    tmp_path: Path, prometheus: tuple[httpx.Client, str, str], receiver: tuple[Receiver, str]
) -> None:
    client, address, _ = prometheus
    person, _ = receiver
    alarms = [{"threshold": 0.5, "alpha": 0.001, "at_start": "alarm"}]
    write_config(tmp_path, alarms=alarms, web={"listen": address})
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:SLOWING]))
    firing = 'count(ALERTS{alertname="SentinelResilienceLoss", alertstate="firing"}) == 3'
    daemon = Running(tmp_path).ready()
    try:
        eventually(lambda: len(person.count("firing")) == 3, PATIENCE, lambda: f"told: {person.told}")
        for restart in range(5):
            if restart % 2:
                daemon.kill()
            else:
                daemon.stop()
            # The next start is fast enough to come between two scrapes.
            eventually(lambda: ask(client, "query", query='up{job="sentinel"} == 0'), PATIENCE, lambda: "none is lost")
            daemon = Running(tmp_path).ready()
            eventually(lambda: ask(client, "query", query='up{job="sentinel"} == 1'), PATIENCE, lambda: "not scraped")
            assert ask(client, "query", query=firing), "an alarm is gone after a restart"

        # A process that hangs: every scrape runs into its time-out.
        daemon.signal(signal.SIGSTOP)
        lost = f'count_over_time((up{{job="sentinel"}} == 0)[{LOST_SCRAPES}s:1s]) >= {LOST_SCRAPES}'
        eventually(lambda: ask(client, "query", query=lost), PATIENCE, lambda: "scrapes were still answered")
        assert ask(client, "query", query=firing), "an alarm is gone with the scrapes"
        daemon.signal(signal.SIGCONT)
        eventually(lambda: ask(client, "query", query='up{job="sentinel"} == 1'), PATIENCE, lambda: "not scraped")
        time.sleep(5)  # for a message under way
        assert not person.count("resolved"), f"told: {person.told}"
        lost_ones = ask(client, "query", query='sum_over_time((1 - up{job="sentinel"})[10m:1s])')
        assert float(lost_ones[0]["value"][1]) >= LOST_SCRAPES + 5, "the restarts lost no scrape"

        with (tmp_path / "data.csv").open("a") as file:
            file.write(long_csv(VALUES[SLOWING:], SLOWING, header=False))
        eventually(lambda: len(person.count("resolved")) == 3, PATIENCE, lambda: f"told: {person.told}")
    finally:
        daemon.signal(signal.SIGCONT)
        daemon.kill()


def test_alerts_that_come_through_prometheus_and_directly_are_one_alert_each(
    tmp_path: Path, prometheus: tuple[httpx.Client, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    client, address, alertmanager = prometheus
    alarms = [{"threshold": 0.5, "alpha": 0.001, "at_start": "alarm"}]
    direct = {
        "kind": "alertmanager", "url": f"http://{alertmanager}", "labels": {"job": "sentinel", "instance": address},
        "resend_every": "1s", "runbooks": "https://runbooks.example.org/sentinel",
    }  # fmt: skip
    labelled = {"kind": "csv", "name": "lake", "path": "data.csv", "every": "50ms", "labels": {"site": "north"}}
    web = {"listen": address, "labels": ["site"]}
    drill = {"keep": "10s", "timeout": "1m"}
    write_config(tmp_path, alarms=alarms, web=web, notify=[direct], sources=[labelled], drill=drill)
    (tmp_path / "data.csv").write_text(long_csv(VALUES[:SLOWING]))

    def left() -> list[dict[str, Any]]:
        active: list[dict[str, Any]] = httpx.get(
            f"http://{alertmanager}/api/v2/alerts", params={"active": "true"}, trust_env=False
        ).json()
        return active

    daemon = Running(tmp_path).ready()
    try:
        both = (
            'count(ALERTS{alertname="SentinelResilienceLoss", alertstate="firing"}) == 3',
            'sentinel_notifications_total{sink="alertmanager"} >= 3',
        )
        for query in both:
            eventually(lambda query=query: ask(client, "query", query=query), PATIENCE, lambda: "not sent both ways")
        time.sleep(5)  # several more of each
        found = httpx.get(f"http://{alertmanager}/api/v2/alerts", trust_env=False).json()
        assert len(found) == 3, found
        for alert in found:
            assert alert["labels"]["label_site"] == "north"
            assert alert["annotations"]["runbook_url"].endswith("/sentinel#sentinelresilienceloss")

        making = subprocess.Popen([sys.executable, "-m", "sentinel", "drill", "--state", str(tmp_path / "state")])
        fires = 'ALERTS{alertname="SentinelDrill", alertstate="firing", severity="drill", drill="true"}'
        eventually(lambda: ask(client, "query", query=fires), PATIENCE, lambda: "the drill did not come by Prometheus")
        (drills,) = [each for each in left() if each["labels"]["alertname"] == "SentinelDrill"]
        assert drills["annotations"]["runbook_url"].endswith("#sentineldrill")
        assert making.wait(PATIENCE) == 0
        eventually(lambda: len(left()) == 3, PATIENCE, lambda: f"the drill has not ended: {left()}")
        with (tmp_path / "data.csv").open("a") as file:
            file.write(long_csv(VALUES[SLOWING:], SLOWING, header=False))
        eventually(lambda: not left(), PATIENCE, lambda: f"still open: {left()}")
    finally:
        daemon.kill()
