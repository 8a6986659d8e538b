"""The Grafana dashboards as JSON: the rules of Grafana's own dashboard linter, and metrics that exist.

No Grafana runs here; that every query gives data is shown by test_live_queries.py against a real Prometheus.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

VARIABLES = ["datasource", "job", "instance", "source", "series"]
OF_PROMETHEUS = ("titleFormat", "textFormat", "tagKeys", "step", "useValueForTime")
COUNTER = re.compile(r"_(total|bucket|count|sum)$")


@pytest.fixture(scope="module")
def queries(panels: list[dict[str, Any]]) -> list[str]:
    """Every query of every panel."""
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_the_files_are_what_their_source_writes(deploy: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, deploy / "grafana" / "dashboards.py", tmp_path], check=True)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in (deploy / "grafana").glob("*.json")}


def lost(given: Any, typed: Any, path: str = "") -> Iterator[str]:
    """What of `given` is not in `typed`, or is something else."""
    if isinstance(given, dict) and isinstance(typed, dict):
        for key, value in given.items():
            yield from lost(value, typed[key], f"{path}/{key}") if key in typed else [f"{path}/{key}"]
    elif isinstance(given, list) and isinstance(typed, list) and len(given) == len(typed):
        for each, other in zip(given, typed, strict=True):
            yield from lost(each, other, f"{path}[]")
    elif given != typed:
        yield path


def test_the_types_of_grafana_know_every_key(dashboards: dict[str, dict[str, Any]]) -> None:
    """A misspelt key is no part of them, and is not there any more when it has gone through."""
    plugins.register_default_plugins()
    for name, dashboard in dashboards.items():
        typed = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))
        # Of an annotation they know the part that is common to all data sources; null is left out.
        own = {
            f"/annotations/list[]/{key}" for key in ("titleFormat", "textFormat", "tagKeys", "step", "useValueForTime")
        }
        assert set(lost(dashboard, typed)) - own == {"/id"}, name
    dashboard["panels"][0]["fieldConfig"]["defaults"]["unti"] = "s"
    assert "/panels[]/fieldConfig/defaults/unti" in set(
        lost(dashboard, json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard))))
    )


def test_the_dashboards_can_be_provisioned_anywhere(dashboards: dict[str, dict[str, Any]]) -> None:
    assert set(dashboards) == {"fleet", "series", "operations"}
    for name, dashboard in dashboards.items():
        assert dashboard["id"] is None
        assert dashboard["uid"] == f"sentinel-{name}"
        assert dashboard["editable"] is False
        assert dashboard["schemaVersion"] >= 36
        assert dashboard["title"]
        assert "sentinel" in dashboard["tags"], "by this tag each links to the others"
        assert dashboard["links"][0]["tags"] == ["sentinel"]


def test_variables_narrow_down_from_the_data_source_to_one_series(dashboards: dict[str, dict[str, Any]]) -> None:
    for name, dashboard in dashboards.items():
        variables = dashboard["templating"]["list"]
        assert [variable["name"] for variable in variables] == VARIABLES[: 5 if name == "series" else 4]
        assert (variables[0]["type"], variables[0]["query"]) == ("datasource", "prometheus")
        for variable in variables[1:]:
            assert variable["type"] == "query"
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2, "a variable is asked for again when the time range changes"
            assert variable["label"]
        for variable in variables[1:4]:
            assert variable["multi"]
            assert variable["allValue"] == ".+"


def test_panels_have_unique_ids_and_do_not_overlap(dashboards: dict[str, dict[str, Any]]) -> None:
    for dashboard in dashboards.values():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        cells: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & mine, panel["title"]
            cells |= mine


def test_every_dashboard_begins_with_whether_it_can_be_relied_on(dashboards: dict[str, dict[str, Any]]) -> None:
    for dashboard in dashboards.values():
        top = [panel["title"] for panel in dashboard["panels"] if panel["gridPos"]["y"] == 0]
        assert top == ["Up", "Ready", "Ingestion", "Unexposed", "Behind"]


def test_a_table_of_series_has_few_rows_and_each_leads_to_its_series(panels: list[dict[str, Any]]) -> None:
    tables = [panel for panel in panels if panel["type"] == "table" and "by (source, series)" in str(panel["targets"])]
    assert len(tables) == 2
    for panel in tables:
        assert all("topk(20, " in target["expr"] for target in panel["targets"]), panel["title"]
        (override,) = [each for each in panel["fieldConfig"]["overrides"] if each["matcher"]["options"] == "Series"]
        address = override["properties"][0]["value"][0]["url"]
        assert address.startswith("/d/sentinel-series?")
        assert "var-series=${__data.fields.Series}" in address


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
            if selector.metric.startswith("sentinel_series_") and selector.metric != "sentinel_series_unexposed":
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


def test_every_metric_of_the_dashboards_is_exposed(
    dashboards: dict[str, dict[str, Any]],
    queries: list[str],
    selectors: Callable[[str], list[Any]],
    fill_in: Callable[..., str],
    exposed: frozenset[str],
) -> None:
    used = {selector.metric for query in queries for selector in selectors(fill_in(query))}
    for dashboard in dashboards.values():
        for annotation in dashboard["annotations"]["list"]:
            used |= {selector.metric for selector in selectors(fill_in(annotation["expr"]))}
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
