"""Series and spectrograms as JSON, and the geometry of the small bars.

JSON has no NaN and no infinity: both become null. Bars are in whole user units of an SVG, because a strict page has no
inline styles.
"""

from __future__ import annotations

from math import atanh, isfinite, isnan, log10

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.spelling import moment_iso
from sentinel.domain.views import SeriesView, Spectrogram
from sentinel.pipeline.history import MISSING, SCALE
from sentinel.text.claims import FLOOR, rule_in_words
from sentinel.text.words import recovery_in_words

WIDTH = 160
LIMIT = 0.99
SPECTRUM_LIMIT = 8.0
"""Reading, in null standard deviations, that fills a bar of the spectrum."""


def number(value: float) -> float | None:
    """Give a finite number, else None."""
    return value if isfinite(value) else None


def series_as_json(view: SeriesView) -> dict[str, object]:
    """Give one series. Null is not ready; `recovery_high_seconds` alone is null where the band is open."""
    return {
        "name": view.name,
        "source": view.source,
        "state": view.state.value,
        "reason": view.reason.value,
        "since": moment_iso(view.since_us),
        "cadence_seconds": number(view.cadence_seconds),
        "half_life_ticks": number(view.half_life_ticks),
        "ticks": view.ticks,
        "missing_ticks": view.missing_ticks,
        "warm_up_left": view.warm_up_left,
        "time": moment_iso(view.time_us),
        "value": number(view.value),
        "residual": number(view.residual),
        "recovery_seconds": number(view.recovery_seconds),
        "recovery_low_seconds": number(view.recovery_low_seconds),
        "recovery_high_seconds": number(view.recovery_high_seconds),
        "recovery_text": recovery_in_words(view),
        **{name: number(value) for name, value in view.estimates._asdict().items() if name != "period"},
        "period_seconds": number(view.period_seconds),
        "evidence": number(view.evidence),
        "e_value": number(view.e_value),
        "window_ticks": view.window_ticks or None,
        "windows": view.windows,
        "window_begun": moment_iso(view.window_us),
        "tie_share": number(view.tie_share),
        "thresholds": list(view.thresholds),
        "readings": [number(reading) for reading in view.readings],
        "rules": [
            {
                "kind": rule.kind,
                "label": rule.label,
                "text": rule_in_words(rule.kind, rule.label),
                "side": rule.side,
                "relative": rule.relative,
                "threshold": number(rule.threshold),
                "baseline_left": rule.baseline_left,
                "baseline_disagrees": rule.baseline_disagrees,
                "alpha": rule.alpha,
                "severity": rule.severity,
                "evidence": number(rule.evidence),
                "alarm": rule.alarm_id or None,
                "since": moment_iso(rule.since_us),
                "remarks": list(rule.remarks),
            }
            for rule in view.rules
        ],
    }


def spectrogram_as_json(view: SeriesView, picture: Spectrogram) -> dict[str, object]:
    """Give one series' history: readings per column in `1/scale` null standard deviations, `missing` = not ready."""
    alphas = [rule.alpha for rule in view.rules if rule.alpha > 0]
    return {
        "name": view.name,
        "scale": SCALE,
        "missing": MISSING,
        "thresholds": picture.thresholds.tolist(),
        "time_us": picture.time_us.tolist(),
        "readings": picture.readings.tolist(),
        "lag1": _line_as_json(picture.lag1),
        "low": _line_as_json(picture.low),
        "high": _line_as_json(picture.high),
        "evidence": _line_as_json(picture.evidence),
        "evidence_floor": max(log10(max(alphas)), FLOOR) if alphas else FLOOR,
        "rules": sorted({rule.threshold for rule in view.rules if rule.kind == "lag1" and isfinite(rule.threshold)}),
    }


def _line_as_json(line: NDArray[np.float32]) -> list[float | None]:
    """Give a line with four decimals, null for NaN."""
    rounded = np.round(line.astype(np.float64), 4).tolist()
    return [value if isfinite(value) else None for value in rounded]


def place(lag1: float, width: int = WIDTH) -> float:
    """Give the place of a lag-1 on a bar from -0.99 to 0.99, evenly spaced in atanh."""
    inside = min(LIMIT, max(-LIMIT, lag1))
    return round(width * (1 + atanh(inside) / atanh(LIMIT)) / 2, 1)


def fill(share: float, width: int = WIDTH) -> float:
    """Give the length of a bar that is filled to `share` in [0, 1]; 0 for NaN."""
    return 0.0 if isnan(share) else round(width * share, 1)


def spectrum(view: SeriesView, width: int = 960, height: int = 120) -> list[dict[str, float | str]]:
    """Give one bar per detector: x, y, width, height, threshold, reading, and the side of zero it lies on."""
    step = width / max(len(view.thresholds), 1)
    columns: list[dict[str, float | str]] = []
    for index, (threshold, reading) in enumerate(zip(view.thresholds, view.readings, strict=True)):
        ready = not isnan(reading)
        share = min(1.0, abs(reading) / SPECTRUM_LIMIT) if ready else 0.04
        length = max(1.0, round(share * height / 2, 1))
        columns.append(
            {
                "x": round(index * step + step * 0.12, 1),
                "y": round(height / 2 - (length if not ready or reading > 0 else 0), 1),
                "width": round(step * 0.76, 1),
                "height": length,
                "centre": round((index + 0.5) * step, 1),
                "threshold": threshold,
                "reading": f"{reading:+.1f}" if ready else "not ready",
                "side": "none" if not ready else "above" if reading > 0 else "below",
            }
        )
    return columns
