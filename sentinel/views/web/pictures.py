"""The data of pictures: a series' history for the charts of a page, and small lines for the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import atanh, isfinite, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.printing import for_json
from sentinel.domain.states import STATES, SeriesView, Spectrogram
from sentinel.pipeline.arrays import Floats
from sentinel.pipeline.history import SCALE, Sketch
from sentinel.pipeline.pooling import MISSING
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text import claims

LINES = ("value_low", "value_high", "lag1", "low", "high", "modulus", "spread", "evidence")
POINTS = 48
"""Of a small line."""
WIDTH, HEIGHT = 120, 26
"""User units of a small line."""
ENDS = atanh(0.99)
"""Of the axis of lag-1, in atanh."""


class Spark(NamedTuple):
    """The small lines of one series as the paths of a drawing; empty where nothing is known."""

    values: str
    lag1: str


def history_as_json(snapshot: Snapshot, view: SeriesView, events: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Give one series' history: whole and, under `recent`, its last ticks ever finer; None where none is kept.

    Readings are given in `1/scale` null standard deviations, `missing` = not ready.
    """
    pictures = snapshot.pictures(view.name)
    if not pictures:
        return None
    whole, *recent = pictures
    floors = [log10(rule.alpha) for rule in view.rules if rule.alpha > 0]
    counterpart = snapshot.counterpart(view.name)
    return {
        "name": view.name,
        "unit": view.unit,
        "cadence_seconds": for_json(view.cadence_seconds),
        "scale": SCALE,
        "missing": MISSING,
        "states": [state.value for state in STATES],
        "thresholds": whole.thresholds.tolist(),
        **_columns(whole),
        "recent": [_columns(one) for one in recent],
        "evidence_floor": max([*floors, claims.FLOOR]),
        "rules": sorted({rule.threshold for rule in view.rules if rule.kind == "lag1" and isfinite(rule.threshold)}),
        "counterpart": counterpart[0] if counterpart else None,
        "events": [_mark(event) for event in events_of(snapshot, events, view.name)],
    }


def events_of(snapshot: Snapshot, events: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Give the events of a series, those too that say a name which it had before; a site may be called so, too."""
    of_sites = {event.get("alarm_id") for event in events if "members" in event}
    mine = [event for event in events if snapshot.present_name(str(event.get("series"))) == name]
    return [event for event in mine if event.get("alarm_id") not in of_sites]


def name_now(snapshot: Snapshot, event: Mapping[str, Any]) -> str:
    """Give the present name of the series of an event, or the name of its site, which stays."""
    name = str(event["series"])
    return name if "members" in event else snapshot.present_name(name)


def _mark(event: Mapping[str, Any]) -> dict[str, object]:
    """Give what a chart shows of an event."""
    return {name: event.get(name) for name in ("time_us", "what", "kind", "severity", "alarm_id")}


def _columns(picture: Spectrogram) -> dict[str, object]:
    return {
        "time_us": picture.time_us.tolist(),
        "state": picture.state.tolist(),
        "readings": picture.readings.tolist(),
        **{name: _line(getattr(picture, name)) for name in LINES},
    }


def _line(line: NDArray[np.floating[Any]]) -> object:
    """Give a line with eight digits (values) or four decimals (what is estimated), null for NaN."""
    if line.dtype == np.float64:
        return [None if value != value else float(f"{value:.8g}") for value in line.tolist()]
    return for_json(np.round(line.astype(np.float64), 4).tolist())


def draw_sparks(snapshot: Snapshot, names: Sequence[str]) -> dict[str, Spark]:
    """Draw the small lines of the series that have a history, by name."""
    return {name: _draw(sketch) for name, sketch in snapshot.sketches(names, POINTS).items()}


def _draw(sketch: Sketch) -> Spark:
    known = np.concatenate((sketch.low, sketch.high))
    known = known[np.isfinite(known)]
    bottom, top = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    reach = (top - bottom) or 1.0
    with np.errstate(invalid="ignore"):
        lag1 = np.arctanh(np.clip(sketch.lag1.astype(np.float64), -0.99, 0.99)) / ENDS / 2 + 0.5
    return Spark(_path((sketch.low - bottom) / reach, (sketch.high - bottom) / reach), _path(lag1, lag1))


@lru_cache
def _places(count: int) -> list[int]:
    return [round(place) for place in np.linspace(1, WIDTH - 1, count).tolist()]


def _path(low: Floats, high: Floats) -> str:
    """Draw a line through the middle of two lines in [0, 1], with a bar wherever they are apart; NaN breaks it."""
    known = np.isfinite(low) & np.isfinite(high)
    places = _places(len(low))
    ups, downs = (
        (HEIGHT - 2 - np.where(known, line, 0) * (HEIGHT - 4)).round().astype(int).tolist() for line in (high, low)
    )
    parts, pen = [], "M"
    for at, up, down, is_known in zip(places, ups, downs, known.tolist(), strict=True):
        if is_known:
            parts.append(f"{pen}{at} {up}" if up == down else f"{pen}{at} {up}V{down}")
        pen = "L" if is_known else "M"
    return "".join(parts)
