"""`sentinel cite`: how to cite sentinel, and the methods paragraph for settings."""

from __future__ import annotations

import argparse

from sentinel.analysis.methods import REFERENCES, cite, cite_bibtex, list_methods
from sentinel.analysis.record import SeriesRecord, list_choices
from sentinel.commands.backtest import settings_of
from sentinel.config import Settings
from sentinel.domain.errors import UsageError
from sentinel.domain.observation import CalendarAxis
from sentinel.domain.spans import Cadence
from sentinel.pipeline.plan import plan_for


def main(arguments: argparse.Namespace) -> int:
    """Print the citation, or the paragraph with the references that it names."""
    if not arguments.methods:
        print(cite_bibtex() if arguments.bibtex else cite())
        return 0
    full = arguments.conditioning == "full"
    for line in describe_methods(settings_of(arguments), arguments.series, conditioning=full):
        print(line)
    print(f"\n{cite_bibtex() if arguments.bibtex else cite()}")
    for reference in REFERENCES:
        print(reference)
    return 0


def describe_methods(settings: Settings, series: str, *, conditioning: bool) -> list[str]:
    """Write the methods paragraph for a series of that name. UsageError: its cadence is not known."""
    cadence: Cadence | None = settings.series_for(series).cadence
    if cadence is None:
        raise UsageError("--methods: the half-lives follow from the cadence; --cadence is needed, such as --cadence 1d")
    plan = plan_for(settings, series, cadence, conditioning=conditioning)
    record = SeriesRecord(series, CalendarAxis(), plan=plan, thresholds=(plan.lowest_threshold, plan.highest_threshold))
    return list_methods([record], list_choices([record]))
