"""The scientist's door: recorded series, analysed as if they came in live.

`sentinel backtest` and `sentinel plot` on the command line, `sentinel.analyse` in a notebook. All three read a table,
sort it on disk, and let the same pipeline take it in that runs in the daemon; nothing is chosen from the whole record.
"""

from sentinel.backtest.analysis import Analysis, analyse
from sentinel.backtest.command import main, plot_main

__all__ = ["Analysis", "analyse", "main", "plot_main"]
