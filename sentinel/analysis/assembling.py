"""Analyses a table and puts its report together: the common way of `sentinel backtest` and of notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sentinel.analysis.alternatives import Blocks, describe_alternatives, try_rules
from sentinel.analysis.budgets import RuleBudget, Watch, describe_budgets, list_budgets
from sentinel.analysis.inspection import find_oddities
from sentinel.analysis.intake import Intake, SortedObservations, sort
from sentinel.analysis.labels import Label, Timeline, make_timelines
from sentinel.analysis.pictures import PagePicture, draw_for_page, pack_for_page
from sentinel.analysis.readings import Readings, read_ticks
from sentinel.analysis.record import SeriesRecord, add_units, rank
from sentinel.analysis.remarks import find_remarks
from sentinel.analysis.report import Report, ReportSection, describe_sites
from sentinel.analysis.run import Findings, compares, refuse_absent_counterparts, refuse_nothing, refuse_repeats, run
from sentinel.analysis.seasons import LONGEST_RECORD, find_undeclared_seasons, read_tail
from sentinel.config import Settings
from sentinel.domain.errors import DataError
from sentinel.domain.labels import compared_names
from sentinel.domain.printing import some_of
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


def silent(_name: str, _total: int) -> Progress:
    """Tell nobody how far the work has come."""
    return lambda _done: None


@dataclass(frozen=True, slots=True)
class Analysed:
    """A table that was analysed: all that its report is made of, but for the readings."""

    intake: Intake
    settings: Settings
    conditioning: bool
    observations: SortedObservations
    findings: Findings
    watch: Watch
    blocks: Blocks
    timelines: dict[str, Timeline] | None
    """Of each labelled series; None without labels."""
    odd: list[str]
    """Lines on what looks odd in the table."""

    @property
    def budgets(self) -> list[RuleBudget]:
        """The alarms of each rule and their budget."""
        return list_budgets(self.watch.counts.items())


def analyse_table(
    intake: Intake,
    settings: Settings,
    where: str,
    folder: Path,
    readings: Readings,
    *,
    conditioning: bool,
    kept: int | None,
    read_labels: Callable[[Sequence[str]], list[Label]] | None = None,
    stage: Stage = silent,
) -> Analysed:
    """Analyse a table and judge nothing yet.

    `where` is its name in messages; `folder` is for observations that are sorted on disk, which are needed as long as
    the result is; `readings` takes every reading; `kept` is as `run` takes it; `read_labels` reads labelled events,
    given the names of the series.

    Raises DataError: there is nothing to analyse, a counterpart is missing, or the labels do not fit the data.
    """
    observations = sort_input(intake, folder, settings, where, progress=stage("reading", 0))
    labels = None if read_labels is None else read_labels(list_names(settings, observations.names))
    watch = Watch(set(list_names(settings, list({label.series for label in labels or ()}))))
    blocks = Blocks()
    findings = run(
        observations, settings, conditioning=conditioning, readings=readings, kept=kept, observers=[watch, blocks],
        progress=stage("analysing", observations.rows),
    )  # fmt: skip
    refuse_nothing(findings, observations, where)
    refuse_repeats(observations, where)
    add_units(findings.records, intake.units)
    timelines = None if labels is None else make_timelines(labels, findings.records)
    odd = list(find_oddities(intake, observations, findings.records))
    return Analysed(intake, settings, conditioning, observations, findings, watch, blocks, timelines, odd)


def sort_input(
    intake: Intake, folder: Path, settings: Settings, where: str,
    only: str | None = None, progress: Progress = lambda _: None,
) -> SortedObservations:  # fmt: skip
    """Sort on disk, all series or `only` one with those it is compared with; DataError if that leaves nothing."""
    needed: tuple[str, ...] = ()
    if only is not None:
        target, counterpart = compared_names(only)
        needed = (only, target, counterpart) if counterpart else (only,)
    observations = sort(
        intake.observations, folder, needed, progress, by_time=compares(settings), differences=intake.differences
    )
    if not observations.names:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in intake.left_out.items()) or "no values"
        raise DataError(f"{where}: no usable value ({counts}); a column of numbers is needed")
    if observations.rows == 0:
        raise no_series(only, observations.names, where)
    if only is None:
        refuse_absent_counterparts(settings, observations.names, where)
    return observations


def no_series(name: str | None, names: Sequence[str], where: str) -> DataError:
    """Make the error that there is no series of this name."""
    return DataError(f"{where}: no series {name!r}; there are {some_of(names, 10)}")


def choose_drawn(records: Sequence[SeriesRecord], findings: Findings) -> Iterator[SeriesRecord]:
    """Choose the series that are drawn, those with most evidence."""
    columns = 0
    for record in [record for record in rank(records) if record.id in findings.portraits][:PICTURES]:
        yield record
        columns += min(record.ticks, PICTURED_COLUMNS // 50)
        if columns >= PICTURED_COLUMNS:
            return


def assemble(
    found: Analysed,
    title: str,
    inputs: Sequence[str],
    readings: pl.LazyFrame,
    sections: Sequence[ReportSection] = (),
    stage: Stage = silent,
) -> Report:
    """Draw, look back, and hold other rules against the same record; `sections` come behind the usual ones."""
    findings, records = found.findings, found.findings.records
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
    budgets, sites = found.budgets, found.settings.sites
    usual = [describe_budgets(budgets, numbered=records[0].axis.numbered)] if budgets else []
    if tried := try_rules(records, found.blocks):
        usual.append(describe_alternatives(tried, records))
    if sites:
        usual.append(describe_sites(findings.sites, [site.name for site in sites], records))
    few = without_enough(sites, (list_names(found.settings, [name]) for name in found.observations.names))
    return Report(
        title=title, inputs=inputs, intake=found.intake, observations=found.observations, records=records,
        pictures=pictures, complaints=[*found.intake.complaints, *found.odd, *few], conditioning=found.conditioning,
        sections=[*usual, *sections], remarks=remarks,
    )  # fmt: skip
