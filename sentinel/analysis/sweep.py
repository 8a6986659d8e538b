"""Does the verdict depend on the half-lives? Analyses the same record under half and double those of bank and level.

The settings that were used stand in the middle of nine. Nothing is chosen from the outcome: the sweep is there to be
looked at, and a verdict that holds only in the middle is worth little (on the chick hearts of Bury et al. 2023 the
span of the detrending alone moves the AUC of lag-1 autocorrelation from .39 to .83). What follows from a half-life by
default follows here, too: the longest gap, the memory of the scale, the warm-up where it is longer than the table's.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import product
from typing import NamedTuple

from sentinel.analysis.intake import SortedObservations
from sentinel.analysis.labels import Phase, Timeline
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import ReportSection
from sentinel.analysis.run import run
from sentinel.analysis.skill import judge_alarms, judge_events
from sentinel.config import DEFAULT_BANK, LONGEST_HALF_LIFE_TICKS, SHORTEST_HALF_LIFE_TICKS, Settings

FACTORS = (0.5, 1.0, 2.0)
_WRITTEN = {0.5: "half", 1.0: "as used", 2.0: "double"}
NAMED = 8
"""Differences that are named one by one."""


class SweepCell(NamedTuple):
    """The verdict under one choice of half-lives."""

    half_life: float
    """Factor on the half-life of the bank; `level` likewise on that of the level."""
    level: float
    alarmed: frozenset[str]
    """Without labels the series that ever alarmed; with labels the events that were detected."""
    total: int
    """Out of how many."""
    false: int | None
    """False alarms on quiet data; None without labels."""


def sweep(
    records: Sequence[SeriesRecord],
    settings: Settings,
    timelines: Mapping[str, Timeline] | None,
    observations: SortedObservations,
    *,
    conditioning: bool,
    progress: Callable[[int], None],
) -> list[SweepCell]:
    """Find the verdict under every choice of half-lives, the one used among them, to which `records` belong.

    Without conditioning there is no level, and only the half-life of the bank is varied.
    """
    cells: list[SweepCell] = []
    for half_life, level in product(FACTORS, FACTORS if conditioning else (1.0,)):
        found = records
        if not half_life == level == 1.0:
            other = scale_half_lives(settings, records, half_life, level)
            found = run(observations, other, conditioning=conditioning, readings=None, kept=0).records
        cells.append(_judge(half_life, level, found, timelines))
        progress(len(cells))
    return cells


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


def _judge(
    half_life: float, level: float, records: Sequence[SeriesRecord], timelines: Mapping[str, Timeline] | None
) -> SweepCell:
    if timelines is None:
        return SweepCell(half_life, level, frozenset(r.name for r in records if r.alarms), len(records), None)
    events = judge_events(records, timelines, {})
    detected = frozenset(f"{e.record.name} {e.record.moment(e.stretch.end_us)}" for e in events if e.alarm is not None)
    false = sum(judged.stretch.phase is Phase.QUIET for judged in judge_alarms(records, timelines))
    return SweepCell(half_life, level, detected, len(events), false)


def describe_sweep(cells: Sequence[SweepCell], records: Sequence[SeriesRecord]) -> ReportSection:
    """Describe the sweep in words, as a table and as a picture."""
    used = next(cell for cell in cells if cell.half_life == cell.level == 1.0)
    other = [cell for cell in cells if (cell.alarmed, cell.false) != (used.alarmed, used.false)]
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
    columns = [cell.half_life for cell in cells if cell.level == cells[0].level]
    levels = [cell.level for cell in cells if cell.half_life == cells[0].half_life]
    at = {(cell.half_life, cell.level): cell for cell in cells}
    table = [["half-life of the level", *(f"half-life {_factor(f, half)}" for f in columns)]]
    table += [[_factor(level, slow), *(_cell_in_words(at[f, level]) for f in columns)] for level in levels]
    return ReportSection(
        f"Does the verdict depend on the choice? ({what})", words, [table],
        picture=_picture([[at[f, level] for f in columns] for level in levels], used),
    )  # fmt: skip


def _differences(used: SweepCell, other: Sequence[SweepCell]) -> Iterator[str]:
    for cell in other[:NAMED]:
        more, less = sorted(cell.alarmed - used.alarmed), sorted(used.alarmed - cell.alarmed)
        parts = [f"also {', '.join(more[:3])}{', ...' if len(more) > 3 else ''}"] if more else []
        parts += [f"not {', '.join(less[:3])}{', ...' if len(less) > 3 else ''}"] if less else []
        if cell.false != used.false:
            parts.append(f"{cell.false} false alarm{'' if cell.false == 1 else 's'} instead of {used.false}")
        yield f"Half-life {_WRITTEN[cell.half_life]}, level {_WRITTEN[cell.level]}: {'; '.join(parts)}."


def _factor(factor: float, ticks: float | None) -> str:
    return _WRITTEN[factor] + (f" ({factor * ticks:g} ticks)" if ticks is not None else "")


def _cell_in_words(cell: SweepCell) -> str:
    return f"{len(cell.alarmed)} of {cell.total}" + ("" if cell.false is None else f", {cell.false} false")


def _picture(rows: Sequence[Sequence[SweepCell]], used: SweepCell) -> str:
    """Draw a square for each choice, darker the more alarmed, with a broken border where the verdict is another one."""
    width, height, left, top = 132, 44, 120, 26
    parts = []
    for y, row in enumerate(rows):
        parts.append(f'<text x="0" y="{top + height * y + 27}">level {_WRITTEN[row[0].level]}</text>')
        for x, cell in enumerate(row):
            same = (cell.alarmed, cell.false) == (used.alarmed, used.false)
            share = len(cell.alarmed) / cell.total if cell.total else 0.0
            border = 'stroke="#1b2227"' if same else 'stroke="#98182f" stroke-width="2" stroke-dasharray="5 4"'
            parts.append(
                f'<rect x="{left + width * x + 2}" y="{top + height * y + 2}" width="{width - 4}" '
                f'height="{height - 4}" rx="4" fill="#17598a" fill-opacity="{0.05 + 0.4 * share:.2f}" {border}/>'
                f'<text x="{left + width * (x + 0.5)}" y="{top + height * y + 27}" text-anchor="middle">'
                f"{escape(_cell_in_words(cell))}</text>"
            )
    parts += [
        f'<text x="{left + width * (x + 0.5)}" y="16" text-anchor="middle">half-life {_WRITTEN[cell.half_life]}</text>'
        for x, cell in enumerate(rows[0])
    ]
    size = f'width="{left + width * len(rows[0])}" height="{top + height * len(rows)}"'
    label = "Verdict by half-life of bank and level; a broken border marks another verdict than the one used"
    return f'<svg {size} font-size="13" role="img" aria-label="{label}">{"".join(parts)}</svg>'
