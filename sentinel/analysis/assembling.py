"""Puts a report together from what an analysis found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from sentinel.analysis.alternatives import Blocks, describe_alternatives, try_rules
from sentinel.analysis.budgets import Watch, describe_budgets, list_budgets
from sentinel.analysis.intake import Intake, SortedObservations
from sentinel.analysis.lookback import LONGEST_RECORD, find_remarks, find_undeclared_seasons, read_tail
from sentinel.analysis.pictures import PagePicture, draw_for_page, pack_for_page
from sentinel.analysis.readings import read_ticks
from sentinel.analysis.record import SeriesRecord, rank
from sentinel.analysis.report import Report, ReportSection, describe_sites
from sentinel.analysis.run import Findings
from sentinel.config import Settings
from sentinel.pipeline.plan import list_names
from sentinel.pipeline.sites import without_enough

PICTURES = 100
"""Series drawn in a report; the rest stand in its table."""
DRAWN_AT_ONCE = 5
"""Series drawn as the report is written; of the others the page draws those that somebody looks at."""
LOOKED_AT_COLUMNS = 1_000
"""Columns at most of a series that the page draws: as many as a screen shows."""
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
    blocks: Blocks,
    settings: Settings,
    odd: Sequence[str],
    *,
    conditioning: bool,
    stage: Stage,
    more: Callable[[], Sequence[ReportSection]] = list,
) -> Report:
    """Draw, look back, and hold other rules against the same record.

    `names` are those of the input, `odd` says what looks odd in it, and `more` gives sections behind the usual ones.
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
        portrait = findings.portraits[record.id]
        at_once = len(pictures) < DRAWN_AT_ONCE
        pictures[record.name] = (
            draw_for_page(record, portrait) if at_once else pack_for_page(record, portrait, LOOKED_AT_COLUMNS)
        )
        progress(len(pictures))
    budgets, numbered = list_budgets(watch.counts.items()), records[0].axis.numbered
    sections = [describe_budgets(budgets, numbered=numbered)] if budgets else []
    if tried := try_rules(records, blocks):
        sections.append(describe_alternatives(tried, records))
    if settings.sites:
        sections.append(describe_sites(findings.sites, [site.name for site in settings.sites], records))
    sections += more()
    few = without_enough(settings.sites, (list_names(settings, [name]) for name in observations.names))
    return Report(
        title=", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
        inputs=list(names), intake=intake, observations=observations, records=records,
        pictures=pictures, complaints=[*intake.complaints, *odd, *few], conditioning=conditioning, sections=sections,
        remarks=remarks,
    )  # fmt: skip
