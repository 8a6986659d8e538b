"""A panel in the few words that differ from one to the next, and the same as Grafana has it.

In a query `{ALL}` stands for the chosen jobs and instances, `{SOURCE}` for the chosen sources of these, `{ONE}` for the
chosen series.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
ALL = 'job=~"$job", instance=~"$instance"'
SOURCE = f'{ALL}, source=~"$source"'
SELECTORS = {"{ALL": "{" + ALL, "{SOURCE": "{" + SOURCE, "{ONE": "{" + SOURCE + ', series="$series"'}
Query = tuple[str, str]
"""Expression, and its name in the legend or the column's title."""


class Panel(NamedTuple):
    """One panel: what it shows, how, and how many of 24 columns it is wide."""

    title: str
    description: str
    queries: Sequence[Query]
    wide: int = 8
    unit: str = "none"
    high: int = 8
    type: str = "timeseries"
    defaults: Mapping[str, Any] = {}
    custom: Mapping[str, Any] = {}
    overrides: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = {}
    sort: str = ""
    """Of a table: the column with the largest first."""

    @property
    def is_now(self) -> bool:
        """It shows the present values, not those over time."""
        return self.type in ("stat", "table")


def by_name(name: str, **properties: Any) -> dict[str, Any]:
    """Give one column or line other properties; `_` in their names is `.`."""
    found = [{"id": key.replace("_", ".", 1), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": found}


def color(name: str) -> dict[str, str]:
    """One color for a line."""
    return {"mode": "fixed", "fixedColor": name}


def mapped(texts: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Show words, each with its color, in place of numbers."""
    options = {value: {"text": text, "color": hue, "index": i} for i, (value, (text, hue)) in enumerate(texts.items())}
    return [{"type": "value", "options": options}]


def line(at: float) -> dict[str, Any]:
    """Draw a red line."""
    steps = [{"color": "transparent", "value": None}, {"color": "red", "value": at}]
    return {"thresholds": {"mode": "absolute", "steps": steps}}


STAT = {
    "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "vertical",
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "textMode": "value_and_name",
}  # fmt: skip
CUSTOM = {
    "timeseries": {"drawStyle": "line", "fillOpacity": 0, "lineWidth": 1, "showPoints": "never", "spanNulls": False},
    "table": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
}


def draw(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """Give a panel as Grafana has it."""
    is_table = panel.type == "table"
    found: dict[str, Any] = {
        "id": number, "type": panel.type, "title": panel.title, "description": panel.description,
        "datasource": DATASOURCE, "gridPos": {"h": panel.high, "w": panel.wide, "x": x, "y": y},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit, "color": color("text") if panel.type == "stat" else {"mode": "palette-classic"},
                "mappings": [], "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}]},
                "custom": {**CUSTOM.get(panel.type, {}), **panel.custom}, **panel.defaults,
            },
            "overrides": list(panel.overrides),
        },
        "options": _options(panel),
        "targets": [_target(panel, *query, refId) for query, refId in zip(panel.queries, "ABCDEFGHI", strict=False)],
    }  # fmt: skip
    if is_table:
        titles = {f"Value #{chr(65 + i)}": title for i, (_, title) in enumerate(panel.queries) if title}
        names = {
            "source": "Source", "series": "Series", "detector": "Channel", "threshold": "Rule",
            "instance": "Instance", "version": "Version", "python_version": "Python",
        }  # fmt: skip
        order = {name: place for place, name in enumerate([*names, *titles])}
        untitled = {f"Value #{chr(65 + i)}": True for i, (_, title) in enumerate(panel.queries) if not title}
        renamed = {"excludeByName": {"Time": True, **untitled}, "indexByName": order, "renameByName": names | titles}
        found["transformations"] = [{"id": "merge", "options": {}}, {"id": "organize", "options": renamed}]
    return found


def _options(panel: Panel) -> dict[str, Any]:
    if panel.type == "stat":
        return STAT | dict(panel.options)
    if panel.type == "table":
        sort = [{"displayName": panel.sort, "desc": True}] if panel.sort else []
        return {"showHeader": True, "cellHeight": "sm", "sortBy": sort}
    is_lines = panel.type == "timeseries"
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": is_lines},
        "tooltip": {"mode": "multi" if is_lines else "single", "sort": "desc" if is_lines else "none"},
        **panel.options,
    }


def _target(panel: Panel, expression: str, legend: str, letter: str) -> dict[str, Any]:
    for short, selector in SELECTORS.items():
        expression = expression.replace(short, selector)
    found = {
        "datasource": DATASOURCE, "editorMode": "code", "expr": expression, "refId": letter,
        "format": "table" if panel.type == "table" else "time_series", "instant": panel.is_now,
        "range": not panel.is_now,
    }  # fmt: skip
    return found if panel.type == "table" else {**found, "legendFormat": legend}


def arrange(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """Place panels from left to right, in rows as high as their highest."""
    x = y = high = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.wide > 24:
            x, y, high = 0, y + high, 0
        yield draw(panel, number, x, y)
        x, high = x + panel.wide, max(high, panel.high)
