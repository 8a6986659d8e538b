"""Colours and type of the picture, in one place."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patheffects import withStroke

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
