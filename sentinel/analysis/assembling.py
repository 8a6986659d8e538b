"""Puts a report together from what an analysis found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from sentinel.analysis.alternatives import describe_alternatives, try_rules
from sentinel.analysis.budgets import Watch, describe_budgets, list_budgets
from sentinel.analysis.inspection import find_oddities
from sentinel.analysis.intake import Intake, SortedObservations
from sentinel.analysis.lookback import LONGEST_RECORD, find_remarks, find_undeclared_seasons, read_tail
from sentinel.analysis.pictures import PagePicture, draw_for_page
from sentinel.analysis.readings import read_ticks
from sentinel.analysis.record import SeriesRecord, rank
from sentinel.analysis.report import Report, ReportSection, describe_sites
from sentinel.analysis.run import Findings
from sentinel.config import Settings
from sentinel.pipeline.plan import list_names
from sentinel.pipeline.sites import without_enough

PICTURES = 100
"""Series drawn in a report; the rest stand in its table."""
FINE = 20
"""Series that are drawn in as many columns as there are; the others in fewer, each as fine as a dot on most screens."""
FEWER_COLUMNS = 400
KEPT = 200
"""Series whose histories for pictures are kept while others are read: more than are drawn, as the order may change."""
PICTURED_COLUMNS = 100_000
"""Columns drawn in a report, of all pictures together: so many short series, or 50 long ones."""

Progress = Callable[[int], None]
"""Is told how far a stage of the work has come."""
Stage = Callable[[str, int], Progress]
"""Begins a stage of the work by its name and total; 0 = unknown."""


def choose_drawn(records: Sequence[SeriesRecord], findings: Findings) -> Iterator[SeriesRecord]:
    """Choose the series that are drawn, those with most evidence."""
    columns = 0
    for record in [record for record in rank(records) if record.id in findings.portraits][:PICTURES]:
        yield record
        columns += min(record.ticks, PICTURED_COLUMNS // 50)
        if columns >= PICTURED_COLUMNS:
            return


def assemble(
    names: Sequence[str],
    intake: Intake,
    observations: SortedObservations,
    findings: Findings,
    readings: pl.LazyFrame,
    watch: Watch,
    settings: Settings,
    *,
    conditioning: bool,
    stage: Stage,
    more: Callable[[], Sequence[ReportSection]] = list,
    again: bool = True,
) -> Report:
    """Draw, look back, and hold other rules against the same record.

    `names` are those of the input, and `more` gives sections that stand after the usual ones. `again` says whether the
    observations are still there to be read.
    """
    records = findings.records
    drawn = list(choose_drawn(records, findings))
    # A record that is too long to be looked at as a whole is only streamed.
    short = [record for record in drawn if record.ticks <= LONGEST_RECORD]
    remarks: dict[str, list[str]] = {}
    for record, own in read_ticks(readings, short):
        record.undeclared = find_undeclared_seasons(record, own.time_us, own.value)
        remarks[record.name] = list(find_remarks(record, own))
    for record in drawn:
        if record.ticks > LONGEST_RECORD:
            record.undeclared = find_undeclared_seasons(record, *read_tail(record, readings))
    pictures: dict[str, PagePicture] = {}
    progress = stage("drawing", len(drawn))
    for record in drawn:
        most = None if len(pictures) < FINE else FEWER_COLUMNS
        pictures[record.name] = draw_for_page(record, findings.portraits[record.id], most=most)
        progress(len(pictures))
    budgets, numbered = list_budgets(watch.counts.items()), records[0].axis.numbered
    sections = [describe_budgets(budgets, numbered=numbered)] if budgets else []
    if again and (tried := try_rules(records, settings, observations, conditioning=conditioning)):
        sections.append(describe_alternatives(tried, records))
    if settings.sites:
        sections.append(describe_sites(findings.sites, [site.name for site in settings.sites], records))
    sections += more()
    few = without_enough(settings.sites, (list_names(settings, [name]) for name in observations.names))
    odd = find_oddities(intake, observations, records)
    return Report(
        title=", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
        inputs=list(names), intake=intake, observations=observations, records=records,
        pictures=pictures, complaints=[*intake.complaints, *odd, *few], conditioning=conditioning, sections=sections,
        remarks=remarks,
    )  # fmt: skip
