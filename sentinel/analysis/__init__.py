"""Recorded series, analysed as if they came in live: backtests, labels, rivals, seasons, sweeps, reports.

`sentinel backtest` and `sentinel plot` on the command line and `sentinel.analyse` in a notebook read a table, sort it
on disk, and let the same pipeline take it in that runs in the daemon; nothing is chosen from the whole record.
"""

from sentinel.analysis.analyse import Analysis, analyse

__all__ = ["Analysis", "analyse"]
