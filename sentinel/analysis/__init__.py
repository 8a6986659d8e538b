"""Recorded series: backtests, labelled events, rivals, seasons, sweeps and reports."""
