"""Draws docs/null-detector.png: what each detector adds up, on average, against the autocorrelation of its input.

Run it with `python tests/studies/drawings/draw_null_detector.py`; seeded, so that it draws the same picture again.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from detectors.bank import Bank
from detectors.pairs import pairs_of
from detectors.tables import lag1

THRESHOLDS = (-0.5, 0.0, 0.5, 0.8, 0.95)
COLOURS = ("#2c5d8a", "#5a93bd", "#8c8c8c", "#d2876b", "#b0343c")
RHO = np.linspace(-0.9, 0.99, 64)
SERIES, TICKS, BEFORE = 200, 1_500, 300
PAGE = Path(__file__).resolve().parents[3] / "docs" / "null-detector.png"


def mean_increments(tails: float | None) -> NDArray[np.float64]:
    """Mean increment, shape (rho, threshold), for Gaussian shocks or Student shocks with that many degrees."""
    random = np.random.default_rng(1)
    bank = Bank([lag1(r, 70.0) for r in THRESHOLDS])
    found = []
    for rho in RHO:
        size = (BEFORE + TICKS, SERIES)
        values = random.standard_normal(size) if tails is None else random.standard_t(tails, size)
        for t in range(1, len(values)):
            values[t] += rho * values[t - 1]
        scaled = values[BEFORE:] / np.median(np.abs(values)) * 0.6745
        _, _, increments = bank.advance(bank.init(SERIES), pairs_of(scaled))
        found.append(increments.mean(axis=(0, 1)))
    return np.array(found)


def main() -> None:
    """Draw and write."""
    mpl.use("agg")
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    panel = figure.add_subplot()
    for tails, style in ((None, "-"), (3.0, "--")):
        for means, threshold, colour in zip(mean_increments(tails).T, THRESHOLDS, COLOURS, strict=True):
            label = f"threshold {threshold:g}" if tails is None else None
            panel.plot(RHO, means, style, color=colour, linewidth=1.6, label=label)
            panel.plot([threshold], [0.0], "o", color=colour, markersize=5)
    panel.axhline(0.0, color="0.3", linewidth=0.8)
    panel.set_xlabel("lag-1 autocorrelation of the input")
    panel.set_ylabel("mean increment of the detector")
    panel.set_title(
        "Each detector rests at zero at its own threshold\nsolid: Gaussian shocks, dashed: Student-3", loc="left"
    )
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    figure.savefig(PAGE, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
