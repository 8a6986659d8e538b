"""What the tests of deploy/ share: the files, the Debian tools, and how a query is taken apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder under test."""
    return DEPLOY


@dataclass(frozen=True)
class Selector:
    """One metric in a query, with its matchers and the range function around it ('' = none)."""

    metric: str
    matchers: dict[str, tuple[str, str]]
    function: str


def take_apart(query: str) -> Iterator[Selector]:
    """All metrics of a query; raises ValueError where it does not parse."""
    nodes: list[Any] = []
    promql_parser.walk(promql_parser.parse(query), nodes.append)
    ranges = [
        (node.func.name, argument.vector_selector.name)
        for node in nodes
        if isinstance(node, promql_parser.Call)
        for argument in node.args
        if isinstance(argument, promql_parser.MatrixSelector)
    ]
    for node in nodes:
        if isinstance(node, promql_parser.VectorSelector):
            function = next((function for function, name in ranges if name == node.name), "")
            matchers = {m.name: (str(m.op), m.value) for m in node.matchers.matchers}
            yield Selector(node.name, matchers, function)


@pytest.fixture(scope="session")
def selectors() -> Callable[[str], list[Selector]]:
    """The metrics of a query."""
    return lambda query: list(take_apart(query))


@pytest.fixture(scope="session")
def rules() -> list[dict[str, Any]]:
    """Every alert and recording rule."""
    groups = yaml.safe_load((DEPLOY / "prometheus" / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="session")
def alerts(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for rule in rules if "alert" in rule]


@pytest.fixture(scope="session")
def dashboards() -> dict[str, dict[str, Any]]:
    """The Grafana dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana").glob("*.json"))}


@pytest.fixture(scope="session")
def panels(dashboards: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The panels of all dashboards, those of the top row once."""
    found = [panel for dashboard in dashboards.values() for panel in dashboard["panels"]]
    return list({panel["title"]: panel for panel in found}.values())


@pytest.fixture(scope="session")
def fill_in() -> Callable[..., str]:
    """Put values in place of the dashboard's variables, as Grafana does; longest names first."""

    def fill(query: str, **values: str) -> str:
        defaults = {
            "__rate_interval": "1m",
            "__range": "1h",
            "job": ".+",
            "instance": ".+",
            "source": ".+",
            "series": "any",
        }
        for name, value in sorted({**defaults, **values}.items(), key=lambda item: -len(item[0])):
            query = query.replace("${" + name + "}", value).replace("$" + name, value)
        return query

    return fill


@pytest.fixture(scope="session")
def exposed() -> frozenset[str]:
    """Every name that a scrape of the daemon can give: the table of metrics, `up`, and those of the process."""
    from sentinel.domain.metrics import METRICS

    parts = {"histogram": ("_bucket", "_sum", "_count")}
    own = {row.name + suffix for row in METRICS for suffix in parts.get(row.type, ("",))}
    process = {"resident_memory_bytes", "start_time_seconds", "open_fds", "max_fds"}
    return frozenset(own | {"up", *(f"process_{name}" for name in process)})
