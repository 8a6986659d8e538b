"""A picture that a page draws itself once somebody looks at it, with the chart code of the live page.

What the report keeps of a series are its numbers, which costs a fiftieth of drawing it; `report.js` unpacks them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from functools import cache
from math import log10
from pathlib import Path

import numpy as np

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.observation import Axis
from sentinel.domain.states import STATES
from sentinel.pipeline.history import SCALE, Columns, in_steps
from sentinel.pipeline.plan import PlanRule
from sentinel.pipeline.pooling import MISSING, Array
from sentinel.text.claims import FLOOR
from sentinel.views.picture import Alarm
from sentinel.views.picture.timeline import BLIND, GAP

_STATIC = Path(__file__).parent.parent / "web" / "static"
_MODULES = (("uplot/uPlot.esm.js", "uPlot"), ("charts.js", "{ columnsOf, draw }"), ("chart.js", "{ Chart }"))
"""Files with chart code, each with what the ones behind it use of it."""
_TYPES = {np.dtype(np.float64): "Float64Array", np.dtype(np.float32): "Float32Array", np.dtype(np.int8): "Int8Array"}


def pack(
    columns: Columns, axis: Axis, thresholds: Sequence[float], cadence_us: int, rules: Sequence[PlanRule] = (),
    alarms: Sequence[Alarm] = (), *, name: str, unit: str,
) -> str:  # fmt: skip
    """Give what the page draws a series from as JSON, in the form in which the live page is told of one.

    Times on an axis of numbers are the owner's, as if they were seconds.
    """
    shown = (columns.state != BLIND) | (columns.reason != GAP)  # what is missing between columns is a gap, too

    def times(time_us: Array) -> Array:
        return axis.positions(time_us) * MICROSECONDS if axis.numbered else np.asarray(time_us, np.float64)

    seen = columns.estimates
    arrays: dict[str, Array] = {
        "time_us": times(columns.end_us[shown]), "state": columns.state[shown].astype(np.int8),
        "readings": in_steps(columns.readings[shown]), "value_low": columns.value_low[shown],
    }  # fmt: skip
    if not np.array_equal(columns.value_low, columns.value_high, equal_nan=True):
        arrays["value_high"] = columns.value_high[shown]
    lines = {
        "lag1": seen.lag1, "low": seen.lag1_low, "high": seen.lag1_high, "modulus": seen.modulus,
        "spread": seen.spread, "evidence": columns.evidence,
    }  # fmt: skip
    arrays |= {line: numbers[shown].astype(np.float32) for line, numbers in lines.items()}
    lines_of_rules = {part.threshold for rule in rules for part in rule.channels if part.kind == "lag1"}
    told = [(alarm, "raised", alarm.time_us) for alarm, _ in alarms]
    told += [(alarm, "cleared", cleared) for alarm, cleared in alarms if cleared is not None]
    at = times(np.array([time_us for *_, time_us in told], np.int64)).tolist()
    events = [
        {"time_us": time, "what": what, "severity": alarm.severity}
        for (alarm, what, _), time in zip(told, at, strict=True)
    ]
    data = {
        "name": name, "unit": unit, "numbered": axis.numbered, "scale": SCALE, "missing": MISSING,
        "cadence_seconds": float(axis.spans(np.array([cadence_us]))[0]), "states": [state.value for state in STATES],
        "thresholds": list(thresholds), "recent": [], "counterpart": None, "events": events,
        "evidence_floor": max([*(log10(rule.alpha) for rule in rules if rule.alpha > 0), FLOOR]),
        "rules": sorted(threshold for threshold in lines_of_rules if threshold is not None),
    }  # fmt: skip
    written = json.dumps(data).replace("<", "\\u003c")
    packed = ", ".join(f'"{line}": ["{_TYPES[array.dtype]}", "{_encode(array)}"]' for line, array in arrays.items())
    return f'{written[:-1]}, "packed": {{{packed}}}}}'


def list_panels(columns: Columns) -> Sequence[str]:
    """Name the panels that have something to show: of a series that was never ready, its values."""
    if np.isnan(columns.estimates.lag1).all() and np.isnan(columns.evidence).all():
        return ("value", "state")
    return ("value", "readings", "modulus", "spread", "evidence", "state")


def _encode(array: Array) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


@cache
def script() -> str:
    """Give the chart code, and what draws the pictures of a report with it, in one piece."""
    parts = [f"const {names} = (() => {{\n{_read(file)}\nreturn {names};\n}})();\n" for file, names in _MODULES]
    return "".join([*parts, _read("report.js")])


@cache
def style() -> str:
    """Give the style that the charts need, beside the colours of the page."""
    return (_STATIC / "uplot" / "uPlot.min.css").read_text(encoding="utf-8")


def _read(file: str) -> str:
    """Read a module as a mere piece of code."""
    text = (_STATIC / file).read_text(encoding="utf-8")
    return re.sub(r"^(import .*|export \{.*|export )", "", text, flags=re.MULTILINE)
