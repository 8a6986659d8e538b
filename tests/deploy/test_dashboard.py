"""The Grafana dashboard as JSON: the rules of Grafana's own dashboard linter, and metrics that exist.

No Grafana runs here; that every query gives data is shown by test_live_queries.py against a real Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

VARIABLES = ["datasource", "job", "instance", "source", "series"]
COUNTER = re.compile(r"_(total|bucket|count|sum)$")


@pytest.fixture(scope="module")
def queries(panels: list[dict[str, Any]]) -> list[str]:
    """Every query of every panel."""
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_the_dashboard_can_be_provisioned_anywhere(dashboard: dict[str, Any]) -> None:
    assert dashboard["id"] is None
    assert dashboard["uid"] == "sentinel"
    assert dashboard["editable"] is False
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["title"]
    assert dashboard["tags"]


def test_variables_narrow_down_from_the_data_source_to_one_series(dashboard: dict[str, Any]) -> None:
    variables = dashboard["templating"]["list"]
    assert [variable["name"] for variable in variables] == VARIABLES
    assert (variables[0]["type"], variables[0]["query"]) == ("datasource", "prometheus")
    for variable in variables[1:]:
        assert variable["type"] == "query"
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["refresh"] == 2, "a variable is asked for again when the time range changes"
        assert variable["label"]
    for variable in variables[1:4]:
        assert variable["multi"]
        assert variable["allValue"] == ".+"


def test_panels_have_unique_ids_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & mine, panel["title"]
        cells |= mine


def test_the_rows_are_overview_one_series_and_operations(dashboard: dict[str, Any]) -> None:
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Overview", "One series: $series", "Operations"]


def test_each_panel_says_what_it_shows_and_in_which_unit(panels: list[dict[str, Any]]) -> None:
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["targets"], panel["title"]


def test_the_targets_of_a_panel_use_its_data_source_and_are_told_apart(panels: list[dict[str, Any]]) -> None:
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
            assert target["instant"] != target["range"], panel["title"]
            assert target.get("legendFormat") or target["format"] == "table", panel["title"]


def test_every_selector_follows_the_variables(
    queries: list[str], selectors: Callable[[str], list[Any]], fill_in: Callable[..., str]
) -> None:
    # The variables stand for themselves: only their `$` would not parse everywhere.
    names = {name: f"<{name}>" for name in VARIABLES}
    for query in queries:
        for selector in selectors(fill_in(query, **names)):
            assert selector.matchers["job"] == ("MatchOp.Re", "<job>"), query
            assert selector.matchers["instance"] == ("MatchOp.Re", "<instance>"), query
            if selector.metric.startswith("sentinel_series_"):
                assert selector.matchers["source"] == ("MatchOp.Re", "<source>"), query
            if "series" in selector.matchers:
                assert selector.matchers["series"] == ("MatchOp.Equal", "<series>"), query


def test_counters_stand_inside_rate_and_nothing_else_does(
    queries: list[str], selectors: Callable[[str], list[Any]], fill_in: Callable[..., str]
) -> None:
    for query in queries:
        for selector in selectors(fill_in(query)):
            assert (selector.function in ("rate", "increase")) == bool(COUNTER.search(selector.metric)), query


def test_ranges_follow_the_scrape_interval_or_the_time_shown(panels: list[dict[str, Any]]) -> None:
    for target in (target for panel in panels for target in panel["targets"]):
        allowed = "$__range" if target["instant"] else "$__rate_interval"
        assert set(re.findall(r"\[(.*?)\]", target["expr"])) <= {allowed}, target["expr"]


def test_evidence_is_drawn_with_its_alarm_line_at_zero(panels: list[dict[str, Any]]) -> None:
    defaults = next(p for p in panels if p["title"].startswith("Evidence"))["fieldConfig"]["defaults"]
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "line"
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 0]


def test_every_metric_of_the_dashboard_is_exposed(
    dashboard: dict[str, Any],
    queries: list[str],
    selectors: Callable[[str], list[Any]],
    fill_in: Callable[..., str],
    exposed: frozenset[str],
) -> None:
    annotations = [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    used = {selector.metric for query in queries + annotations for selector in selectors(fill_in(query))}
    for variable in dashboard["templating"]["list"][1:]:
        used.add(re.match(r"label_values\((\w+)", variable["query"]["query"])[1])
    assert used - exposed - {"ALERTS"} == set()


def test_provisioning_finds_the_data_source_and_forbids_edits_in_the_browser(deploy: Path) -> None:
    sources = yaml.safe_load((deploy / "grafana" / "provisioning-datasource.yaml").read_text())
    dashboards = yaml.safe_load((deploy / "grafana" / "provisioning-dashboards.yaml").read_text())
    scrape = yaml.safe_load((deploy / "prometheus" / "scrape.yaml").read_text())
    assert sources["apiVersion"] == dashboards["apiVersion"] == 1
    (source,) = sources["datasources"]
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scrape["global"]["scrape_interval"]
    (provider,) = dashboards["providers"]
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
