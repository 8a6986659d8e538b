"""Writes the three dashboards, fleet.json, series.json and operations.json: `python dashboards.py [FOLDER]`.

Edit shown.py, never those.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panels import ALL, DATASOURCE, SOURCE, Panel, arrange
from shown import fleet, health, operations, series

VARIABLES = (
    ("job", "Job", "label_values(sentinel_build_info, job)"),
    ("instance", "Instance", 'label_values(sentinel_build_info{job=~"$job"}, instance)'),
    ("source", "Source", f"label_values(sentinel_series{{{ALL}}}, source)"),
    ("series", "Series", f"label_values(sentinel_series_state_code{{{SOURCE}}}, series)"),
)


def variable(name: str, label: str, query: str) -> dict[str, Any]:
    """Give a variable that is asked for at each change of the time range."""
    found: dict[str, Any] = {
        "name": name, "label": label, "type": "query", "datasource": DATASOURCE, "refresh": 2, "sort": 1, "hide": 0,
        "query": {"query": query, "refId": f"Variable-{name}"}, "regex": "", "skipUrlSync": False, "options": [],
        "multi": False, "includeAll": False,
    }  # fmt: skip
    if name == "series":
        return found
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return found | {"multi": True, "includeAll": True, "allValue": ".+", "current": everything}


def annotation(name: str, color_: str, query: str, text: str, **more: Any) -> dict[str, Any]:
    """Give marks on the time axis."""
    return {
        "name": name, "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": color_, "expr": query,
        "titleFormat": name, "textFormat": text, "tagKeys": "", "step": "60s", **more,
    }  # fmt: skip


def dashboard(name: str, title: str, says: str, panels: Iterator[Panel], variables: int) -> dict[str, Any]:
    """Give one dashboard with the first so many variables."""
    datasource = {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
        "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": "", "skipUrlSync": False,
    }  # fmt: skip
    reloads = "sentinel_config_last_reload_success_timestamp_seconds{" + ALL + "} * 1000"
    firing = 'ALERTS{alertname=~"Sentinel.*", alertstate="firing", job=~"$job"}'
    others = {
        "asDropdown": False, "icon": "external link", "includeVars": True, "keepTime": True, "tags": ["sentinel"],
        "targetBlank": False, "title": "Sentinel", "tooltip": "", "type": "dashboards", "url": "",
    }  # fmt: skip
    return {
        "id": None, "uid": f"sentinel-{name}", "title": title, "description": says,
        "tags": ["sentinel", "early-warning"], "schemaVersion": 39, "version": 1, "editable": False, "graphTooltip": 1,
        "fiscalYearStartMonth": 0, "liveNow": False, "refresh": "30s", "time": {"from": "now-24h", "to": "now"},
        "timepicker": {}, "timezone": "browser", "weekStart": "", "links": [others],
        "annotations": {"list": [
            annotation("Alert firing", "red", firing, "{{alertname}} {{series}}"),
            annotation("Configuration loaded", "blue", reloads, "{{instance}}", useValueForTime=True),
        ]},
        "templating": {"list": [datasource, *(variable(*each) for each in VARIABLES[:variables])]},
        "panels": list(arrange([*health(), *panels])),
    }  # fmt: skip


def generate() -> dict[str, str]:
    """Give the text of each file by its name."""
    found = [
        dashboard("fleet", "Sentinel: fleet", "Which series return ever more slowly, and by which evidence.",
                  fleet(), 3),
        dashboard("series", "Sentinel: one series", "One series in depth: every channel, its rules and its alarms.",
                  series(), 4),
        dashboard("operations", "Sentinel: operations", "Whether sentinel itself can be relied on.", operations(), 3),
    ]  # fmt: skip
    return {f"{one['uid'].removeprefix('sentinel-')}.json": json.dumps(one, indent=2) + "\n" for one in found}


def main() -> None:
    """Write all files into the folder that is given, else beside this one."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for file, text in generate().items():
        (folder / file).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
