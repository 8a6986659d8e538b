"""Colours and type of the picture, and the line of steps that most panels draw."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import StepPatch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from sentinel.domain.channels import CHANNELS
from sentinel.domain.states import State

INK, FAINT, NOT_READY = "#222222", "#767676", "#dcdcdc"
SIGNAL, ALARM, CYCLE = "#30507a", "#b2182b", "#0f766e"


MARKS = {(channel.name, side): mark for channel in CHANNELS for side, mark in channel.marks.items()}
"""By channel and side."""
STATE_COLOURS = {
    State.LEARNING: NOT_READY,
    State.WATCHING: "#b9d7cb",
    State.WARNING: "#f2b65a",
    State.CRITICAL: "#c8553d",
    State.BLIND: "#ffffff",
}
HALO = (withStroke(linewidth=2.4, foreground="white", alpha=0.8),)
# The ends of the map are nearly black and would hide the lines.
READING_COLOURS = LinearSegmentedColormap.from_list("readings", mpl.colormaps["RdBu_r"](np.linspace(0.06, 0.94, 256)))

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "sentinel",
}


def steps(
    panel: Axes, values: NDArray[np.float64], edges: NDArray[np.float64], baseline: float | None = None, **look: Any
) -> None:
    """Draw the values between their edges, NaN = none; filled down to the baseline if there is one.

    As `Axes.stairs`, whose search for the extent of the curve takes half of the time of building a picture.
    """
    look |= {"facecolor" if baseline is not None else "edgecolor": look.pop("color")}
    # The published type has no None; the documentation has.
    panel.add_artist(StepPatch(values, edges, baseline=baseline, fill=baseline is not None, **look))  # type: ignore[arg-type]
    known = np.append(values[~np.isnan(values)], [] if baseline is None else baseline)
    if known.size:
        panel.update_datalim([(edges[0], known.min()), (edges[-1], known.max())])
    panel.autoscale_view()
