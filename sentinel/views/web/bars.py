"""Geometry of the small bars: whole user units of an SVG, because a strict page has no inline styles."""

from __future__ import annotations

from math import atanh, isnan

from sentinel.domain.views import SeriesView

WIDTH = 160
LIMIT = 0.99
SPECTRUM_LIMIT = 8.0
"""Reading, in null standard deviations, that fills a bar of the spectrum."""


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
