"""The stability spectrogram of one series as a figure: the one door to matplotlib."""

from matplotlib.figure import Figure

from sentinel.views.picture.drawing import AlarmSpan, Caption, Instrument, draw, write

__all__ = ["AlarmSpan", "Caption", "Figure", "Instrument", "draw", "write"]
