"""Recorded series: backtests, labelled events, rivals, seasons, surrogates, sweeps, reports, and notebooks."""
