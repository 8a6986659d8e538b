"""The report of an analysis: pictures, one HTML page that needs no other file, and its summary for a terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup, escape

from sentinel import __version__
from sentinel.analysis.intake import Intake, SortedObservations
from sentinel.analysis.methods import REFERENCES, cite, cite_bibtex, list_methods
from sentinel.analysis.pictures import HEADINGS, PagePicture
from sentinel.analysis.record import URGENCY, SeriesRecord, describe, list_choices, match_cleared, rank, season_hint
from sentinel.domain.events import SiteEvent
from sentinel.domain.metrics import LEVEL
from sentinel.domain.spans import number_in_words
from sentinel.pipeline.fleet import Rank, rank_by_e_value
from sentinel.text.claims import evidence_against_budget, rule_budget_in_words
from sentinel.text.words import HELD, REMARKS, lag1_in_words, rule_in_words
from sentinel.views.picture.scripted import script, style

SITE_ALARMS_LISTED = 30
"""Alarms of sites named one by one."""
SERIES_LISTED = 20
"""Series named one by one on the terminal."""
NEVER_CHANGED = (
    "Cadence comes from the first 50 time stamps, half-life and warm-up from a fixed table by cadence; "
    "none of it ever changes with later data."
)


class ReportSection(NamedTuple):
    """A part of the report that only some analyses have, the same on the page and on the terminal."""

    title: str
    words: Sequence[str] = ()
    tables: Sequence[Sequence[Sequence[str]]] = ()
    """Rows of cells; the first row names the columns."""
    picture: str = ""
    """Drawn as SVG, for the page only."""
    limits: Sequence[str] = ()
    """Sentences on what it can and cannot say."""
    looks_back: bool = True
    """Something in it was chosen or computed from data that came later than what it is about."""

    def lines(self) -> Iterator[str]:
        """Write it for a terminal."""
        yield from (self.title, *(f"  {line}" for line in self.words))
        for table in self.tables:
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            for row in table:
                yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield from (f"  Limit: {line}" for line in self.limits)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows."""

    title: str
    inputs: Sequence[str]
    intake: Intake
    observations: SortedObservations
    records: Sequence[SeriesRecord]
    pictures: Mapping[str, PagePicture]
    """By series name."""
    complaints: Sequence[str]
    conditioning: bool
    sections: Sequence[ReportSection]
    remarks: Mapping[str, Sequence[str]]
    """By series: what else could explain it, looking back at the whole record."""


def rank_fleet(records: Sequence[SeriesRecord]) -> list[tuple[SeriesRecord, Rank]]:
    """Rank all series that have an e-value, the largest first; a ranking needs two."""
    of_name = {record.name: record for record in records}
    ranks = rank_by_e_value(list(of_name), np.array([record.e_value for record in records]))
    ranked = [(of_name[one.name], one) for one in ranks if one.rank]
    return ranked if len(ranked) > 1 else []


def describe_sites(events: Sequence[SiteEvent], names: Sequence[str], records: Sequence[SeriesRecord]) -> ReportSection:
    """Describe the alarms of the sites of these names; the series of a site share an axis."""
    moment = records[0].moment
    raised = match_cleared(events)
    words = []
    for event, cleared in raised[:SITE_ALARMS_LISTED]:
        span = f"from {moment(event.time_us)} {'on' if cleared is None else f'until {moment(cleared)}'}"
        words.append(f"{event.series}: at least {event.k} series in alarm {span}: {'; '.join(event.members)}.")
    if len(raised) > SITE_ALARMS_LISTED:
        words.append(f"and {len(raised) - SITE_ALARMS_LISTED:,} more alarms, in sites.csv")
    words += [f"{name}: no alarm." for name in names if all(event.series != name for event, _ in raised)]
    limit = "Labelled events are held against series, not against sites: compare these moments with them yourself."
    return ReportSection("Several series of a site together", words, limits=(limit,))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("sentinel.analysis", "templates"), autoescape=select_autoescape(),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    filters = {"breakable": _breakable, "thousands": "{:,}".format, "amount": number_in_words, "reading": _reading}
    environment.filters |= filters
    return environment.get_template("report.html")


def _breakable(name: str) -> Markup:
    """Let a name be broken where a person would."""
    return Markup(re.sub("[/_]", r"\g<0><wbr>", str(escape(name))))


def write_report(report: Report, path: Path) -> None:
    """Write the page; it needs no other file and no network."""
    choices = list_choices(report.records)
    order = rank(report.records)
    described = {record.name: describe(record) for record in order}
    scripted = sum(not picture.svg for picture in report.pictures.values())
    page = _template().render(
        report=report, version=__version__, records=order, described=described, season_hint=season_hint,
        choices=choices, fleet=rank_fleet(report.records), fdr=LEVEL,
        pictures=report.pictures, headings=HEADINGS,
        scripted=scripted, chart_script=script(), chart_style=style(),
        pictured=[record for record in order if record.name in report.pictures],
        alarms=[(r, event, cleared) for r in order for event, cleared in r.alarms],
        counts=[(state, sum(record.state is state for record in order)) for state in URGENCY],
        band=lag1_in_words, rule=rule_in_words, budget=rule_budget_in_words, remarks=REMARKS,
        against_budget=evidence_against_budget,
        methods=list_methods(report.records, choices), references=REFERENCES, citation=cite(), bibtex=cite_bibtex(),
    )  # fmt: skip
    path.write_text(page, encoding="utf-8", errors="replace")


def _reading(number: float) -> str:
    """Write a reading; a dash where it is not ready."""
    return "\N{EN DASH}" if math.isnan(number) else f"{number:.2f}".replace("-", "\N{MINUS SIGN}")


def summarise(report: Report) -> Iterator[str]:
    """Say line by line for a terminal what was read, chosen and found."""
    duplicates = report.observations.duplicates
    yield f"{report.title}: {report.observations.rows - duplicates:,} observations of {len(report.records):,} series"
    left_out = [f"{count:,} {reason}" for reason, count in report.intake.left_out.items()]
    if duplicates:
        left_out.append(report.observations.say_duplicates())
    if left_out:
        yield f"left out: {', '.join(left_out)}"
    yield from report.intake.read_as
    yield from report.complaints
    for choice in list_choices(report.records):
        yield f"one tick is {choice.cadence} ({len(choice.series):,} series):"
        yield from (f"  {term}: {value}" for term, value in choice.lines)
    yield NEVER_CHANGED
    order = rank(report.records)
    for record in order[:SERIES_LISTED]:
        yield f"{record.name}: {describe(record)}."
        if record.left_out:
            yield f"  {record.left_out}"
        yield from (f"  looking back at all of it: {remark}" for remark in report.remarks.get(record.name, ()))
        if record.undeclared:
            yield f"  looking back at all of it: {season_hint(record)}"
    if len(order) > SERIES_LISTED:
        yield f"and {len(order) - SERIES_LISTED:,} more series in the report"
    if held := sum(bool(record.held) for record in order):
        yield f"{held:,} of {len(order):,} series held, which is no alarm: {HELD}"
    for section in report.sections:
        yield from ("", *section.lines())
