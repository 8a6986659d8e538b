"""The stability spectrogram of one series as a figure: the one door to matplotlib."""

from matplotlib.figure import Figure

from sentinel.views.picture.drawing import draw, write

__all__ = ["Figure", "draw", "write"]
