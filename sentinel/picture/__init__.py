"""The stability spectrogram of one series as a figure: the one door to matplotlib."""

from matplotlib.figure import Figure

from sentinel.picture.drawing import Alarm, Caption, Instrument, draw, write
from sentinel.picture.portrait import Columns, Portrait

__all__ = ["Alarm", "Caption", "Columns", "Figure", "Instrument", "Portrait", "draw", "write"]
