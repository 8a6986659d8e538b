"""Every query of the dashboards and of the rules, executed by a real Prometheus that scrapes the real daemon.

The daemon is the one of `sentinel demo`; Prometheus runs with deploy/prometheus/scrape.yaml and rules.yaml, with only
the address and the intervals replaced, on loopback and in a folder of its own.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sentinel.domain.clock import MICROSECONDS, Clock
from tests.deploy.programs import ask, eventually, free_address, running
from tests.e2e.running import PATIENCE

pytestmark = pytest.mark.slow

DEMO = [sys.executable, "-m", "sentinel", "demo", "--linger", "60"]
START_SECONDS = 60.0
DATA_SECONDS = 60.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of the running daemon."""
    output = tmp_path_factory.mktemp("daemon") / "output"
    with running(DEMO, output) as process:

        def announced() -> re.Match[str] | None:
            found = re.search(r"serving http://(127\.0\.0\.1:\d+)/", output.read_text())
            assert found or process.poll() is None, output.read_text()
            return found

        yield eventually(announced, START_SECONDS, output.read_text)[1]


@pytest.fixture(scope="module")
def prometheus(
    address: str, deploy: Path, tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a Prometheus that scrapes the daemon every second."""
    program = tool("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((deploy / "prometheus" / "scrape.yaml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(deploy / "prometheus" / name) for name in config["rule_files"]]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [address]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    listen = free_address()
    command = [
        program,
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={listen}",
        "--log.level=warn",
    ]
    output = folder / "output"
    with (
        running(command, output),
        httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=10) as client,
    ):

        def up() -> bool:
            try:
                return bool(ask(client, "query", query='up{job="sentinel"} == 1'))
            except httpx.TransportError:
                return False

        # Prometheus hands new targets to its scrapers only every 5 s.
        eventually(up, PATIENCE, output.read_text)
        yield client


def show(client: httpx.Client, target: dict[str, Any], query: str) -> list[dict[str, Any]]:
    """What a panel asks for: the present values, or those of the last half minute."""
    if target["instant"]:
        return ask(client, "query", query=query)
    now = Clock().now_us() / MICROSECONDS
    return ask(client, "query_range", query=query, start=now - 30, end=now, step=1)


def has_numbers(result: list[dict[str, Any]]) -> bool:
    """Whether a result holds at least one value that is a number."""
    points = [point for line in result for point in line.get("values", [line.get("value")])]
    return any(not math.isnan(float(value)) for _, value in points)


def test_every_panel_shows_data(
    prometheus: httpx.Client, panels: list[dict[str, Any]], fill_in: Callable[..., str]
) -> None:
    empty = {(panel["title"], target["refId"]): target for panel in panels for target in panel["targets"]}
    assert len(empty) > 20
    series = ""

    def all_show_data() -> bool:
        nonlocal series
        if not series:
            # Not every one has: one of the demo's is too slow for its record.
            known = ask(prometheus, "query", query='sentinel_series_evidence{job="sentinel"}')
            series = next((line["metric"]["series"] for line in known), "")
        for key, target in list(empty.items()):
            query = fill_in(target["expr"], series=series, __rate_interval="10s", __range="1m")
            if has_numbers(show(prometheus, target, query)):
                del empty[key]
        return not empty

    eventually(all_show_data, DATA_SECONDS, lambda: f"no data for {series!r}: {sorted(empty)}")


def test_every_variable_of_the_dashboards_has_values(
    prometheus: httpx.Client, dashboards: dict[str, dict[str, Any]], fill_in: Callable[..., str]
) -> None:
    for variable in dashboards["series"]["templating"]["list"][1:]:  # it has those of the others
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
        response = prometheus.get(f"/api/v1/label/{label}/values", params={"match[]": fill_in(selector)})
        assert response.status_code == 200, response.text
        assert response.json()["data"], variable["name"]


def test_every_annotation_of_the_dashboards_is_a_valid_query(
    prometheus: httpx.Client, dashboards: dict[str, dict[str, Any]], fill_in: Callable[..., str]
) -> None:
    for annotation in (each for dashboard in dashboards.values() for each in dashboard["annotations"]["list"]):
        ask(prometheus, "query", query=fill_in(annotation["expr"]))


def test_every_rule_is_evaluated_without_an_error(prometheus: httpx.Client, rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        ask(prometheus, "query", query=rule["expr"])

    def healths() -> set[str]:
        groups = prometheus.get("/api/v1/rules").json()["data"]["groups"]
        return {rule["health"] for group in groups for rule in group["rules"]}

    eventually(lambda: healths() == {"ok"}, 15, lambda: f"health of the rules: {healths()}")


def test_every_recording_rule_records(prometheus: httpx.Client, rules: list[dict[str, Any]]) -> None:
    records = {rule["record"] for rule in rules if "record" in rule}

    def missing() -> set[str]:
        return {record for record in records if not has_numbers(ask(prometheus, "query", query=record))}

    eventually(lambda: not missing(), 15, lambda: f"nothing recorded: {missing()}")


def test_the_lake_that_loses_resilience_fires_and_the_controls_do_not(prometheus: httpx.Client) -> None:
    # Its alarms are over when it has tipped.
    query = 'last_over_time(ALERTS{alertname=~"SentinelResilienceLoss|SentinelCritical", alertstate="firing"}[5m])'
    firing = eventually(lambda: ask(prometheus, "query", query=query), DATA_SECONDS, lambda: "no alert fired")
    assert len({alert["metric"]["series"] for alert in firing}) == 1, firing


def test_a_healthy_daemon_has_no_operational_alert_even_pending(
    prometheus: httpx.Client, alerts: list[dict[str, Any]]
) -> None:
    signals = "SentinelResilienceLoss|SentinelCritical"

    def pending() -> list[Any]:
        return ask(prometheus, "query", query=f'ALERTS{{alertname!~"{signals}"}}')

    # SentinelDown is pending until the first scrape, and rightly so.
    eventually(lambda: not pending(), 15, lambda: f"still pending: {pending()}")
