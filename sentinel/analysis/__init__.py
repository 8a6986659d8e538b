"""Analyses recorded series as if they came in live: backtests, labelled events, rivals, seasons, sweeps, reports.

`sentinel backtest` and `sentinel plot` on the command line and `sentinel.analyse` in a notebook read a table, sort it
on disk and run it through the daemon's own pipeline. Nothing is chosen from the whole record.
"""

from sentinel.analysis.analyse import Analysis, analyse

__all__ = ["Analysis", "analyse"]
