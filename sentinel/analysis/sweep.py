"""Does the verdict depend on the half-lives? Analyses the same record under half and double those of bank and level.

Rules of kind `slower` have memories of their own: where all rules are, no half-life is varied.

The settings that were used stand in the middle of nine. Nothing is chosen from the outcome: the sweep is there to be
looked at, and a verdict that holds only in the middle is worth little (on the chick hearts of Bury et al. 2023 the
span of the detrending alone moves the AUC of lag-1 autocorrelation from .39 to .83). What follows from a half-life by
default follows here, too: the longest gap, the memory of the scale, the warm-up where it is longer than the table's.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from sentinel.analysis.assembling import Analysed, Progress
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import ReportSection
from sentinel.analysis.run import run
from sentinel.analysis.verdict_grid import Verdict, VerdictGrid, find_verdict
from sentinel.config import DEFAULT_BANK, LONGEST_HALF_LIFE_TICKS, SHORTEST_HALF_LIFE_TICKS, SLOWER, Settings

FACTORS = (0.5, 1.0, 2.0)
_WRITTEN = {0.5: "half", 1.0: "as used", 2.0: "double"}
NAMED = 8
"""Differences that are named one by one."""


class SweepCell(NamedTuple):
    """The verdict under one choice of half-lives."""

    half_life: float
    """Factor on the half-life of the bank; `level` likewise on that of the level."""
    level: float
    verdict: Verdict


def sweep(used: Analysed, progress: Progress) -> list[SweepCell]:
    """Find the verdict under every choice of half-lives, the one used among them.

    Without conditioning there is no level, and only the half-life of the bank is varied.
    """
    cells: list[SweepCell] = []
    for half_life, level in product(FACTORS, FACTORS if used.conditioning else (1.0,)):
        records = used.findings.records
        if not half_life == level == 1.0:
            other = scale_half_lives(used.settings, records, half_life, level)
            records = run(used.observations, other, conditioning=used.conditioning, readings=None, kept=0).records
        alarms = [alarm for record in records for alarm, _ in record.alarms]
        cells.append(SweepCell(half_life, level, find_verdict(records, used.timelines, alarms)))
        progress(len(cells))
    return cells


def rest_on_half_lives(records: Sequence[SeriesRecord]) -> bool:
    """True if some rule of the records reads the bank, whose half-lives are varied, or if there is no rule."""
    rules = [rule for record in records if record.plan is not None for rule in record.plan.rules]
    return not rules or any(rule.kind != SLOWER for rule in rules)


def scale_half_lives(settings: Settings, records: Sequence[SeriesRecord], half_life: float, level: float) -> Settings:
    """Multiply the half-lives of every series in the settings, whether they were configured or not."""
    written = settings.model_dump(mode="json")
    banks: dict[tuple[str, float, float], str] = {}
    of_entry: dict[str, dict[str, list[str]]] = {}
    for record in records:
        if record.plan is not None:
            entry = settings.series_for(record.name)
            key = (entry.bank or DEFAULT_BANK, record.plan.half_life, record.plan.level_half_life)
            bank = banks.setdefault(key, f"sweep-{len(banks)}")
            of_entry.setdefault(entry.match, {}).setdefault(bank, []).append(record.name)
    series, entries = [], written["series"]
    if not any(entry["match"] == "*" for entry in entries):
        entries = [*entries, {"match": "*"}]
    for entry in entries:
        # Series of one entry differ in half-life only where their cadences differ; then each is named.
        of_bank = of_entry.get(entry["match"], {})
        if len(of_bank) == 1:
            series.append(entry | {"bank": next(iter(of_bank))})
            continue
        for bank, names in of_bank.items():
            series += [entry | {"match": glob.escape(name), "bank": bank} for name in names]
        series.append(entry)
    made = {
        name: written["banks"].get(bank, {})
        | {"half_life": _ticks(half * half_life), "level_half_life": _ticks(slow * level)}
        for (bank, half, slow), name in banks.items()
    }
    return Settings.model_validate(written | {"series": series, "banks": written["banks"] | made})


def _ticks(half_life: float) -> str:
    return f"{min(max(half_life, SHORTEST_HALF_LIFE_TICKS), LONGEST_HALF_LIFE_TICKS):.6f} ticks"


def describe_sweep(cells: Sequence[SweepCell], records: Sequence[SeriesRecord]) -> ReportSection:
    """Describe the sweep in words, as a table and as a picture."""
    used = next(cell.verdict for cell in cells if cell.half_life == cell.level == 1.0)
    other = [cell for cell in cells if cell.verdict != used]
    what = "series that alarmed" if used.false is None else "events detected, false alarms"
    unseen = sum(math.isnan(record.max_evidence) for record in records)
    if other:
        depends = f"The verdict depends on the choice: it is another one under {len(other)} of {len(cells)} settings."
        words = [depends, *_differences(used, other)]
    elif records and unseen == len(records):
        words = ["Nothing can be said of the choice: no series ever had a verdict with the settings as they are."]
    else:
        words = [f"The verdict does not depend on the choice: it is the same under all {len(cells)} settings."]
    if 0 < unseen < len(records):
        words.append(f"{unseen:,} of {len(records):,} series never had a verdict: of those it says nothing.")
    plans = {(r.plan.half_life, r.plan.level_half_life) for r in records if r.plan is not None}
    half, slow = next(iter(plans)) if len(plans) == 1 else (None, None)
    levels = list(dict.fromkeys(cell.level for cell in cells))
    grid = VerdictGrid(
        "half-life of the",
        [f"bank {_factor(cell.half_life, half)}" for cell in cells if cell.level == levels[0]],
        [
            (f"level {_factor(level, slow)}", [cell.verdict for cell in cells if cell.level == level], used)
            for level in levels
        ],
        "Verdict by half-life of bank and level",
    )
    return ReportSection(
        f"Does the verdict depend on the half-lives? ({what})", words, [grid.table()], picture=grid.picture()
    )


def _differences(used: Verdict, other: Sequence[SweepCell]) -> Iterator[str]:
    for cell in other[:NAMED]:
        parts = "; ".join(cell.verdict.differences(used))
        yield f"Half-life {_WRITTEN[cell.half_life]}, level {_WRITTEN[cell.level]}: {parts}."


def _factor(factor: float, ticks: float | None) -> str:
    return _WRITTEN[factor] + (f" ({factor * ticks:g} ticks)" if ticks is not None else "")
