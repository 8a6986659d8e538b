"""Does the verdict depend on thresholds, budgets or scales? Runs the record once more under many variants of its rules.

Each rule is varied by itself. Its budget is a tenth, a third, 3 and 10 times the one used; the threshold of a rule on
lag 1 or modulus is up to 0.1 lower or higher, the delta of a relative one and the excess of a spread's ratio over 1 are
half and double. Rules of one series do not touch each other, so all variants go through one pass, and each says what it
would have said alone.

A rule of kind `slower` always reads the whole ladder of scales; there is no setting for less. So for the scales nothing
is run again: of its alarms only those are counted that a scale up to a given one led. That is not the same as a shorter
ladder: what the coarser scales were given of the evidence's money stays with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import NamedTuple

from sentinel.analysis.assembling import Analysed
from sentinel.analysis.record import SeriesRecord
from sentinel.analysis.report import ReportSection
from sentinel.analysis.run import run
from sentinel.analysis.sweep import rest_on_half_lives
from sentinel.analysis.verdict_grid import Verdict, VerdictGrid, find_verdict
from sentinel.config import RISE, SLOWER
from sentinel.domain.events import AlarmEvent
from sentinel.pipeline.plan import Plan, PlanChannel, PlanRule
from sentinel.text.words import rule_and_severity, rule_in_words

BUDGETS = {0.1: "budget / 10", 1 / 3: "budget / 3", 1.0: "as used", 3.0: "budget x 3", 10.0: "budget x 10"}
STEPS = (-0.1, -0.05, 0.0, 0.05, 0.1)
FACTORS = (0.5, 1.0, 2.0)
MOST_RULES = 6
"""Rules of a series that are varied; of more the first ones, so that time stays bounded."""
LARGEST_ALPHA = 0.1
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = -0.98, 0.99
_DELTA = 0.1  # of a relative threshold, where none is given
_MARK = "|"  # between the parts of a variant's label; no label of a rule has it


class Variant(NamedTuple):
    """A rule with another threshold or budget."""

    kind: str
    label: str
    """Of the rule as it is configured."""
    level: str
    """Its threshold, or what takes its place; empty where there is none."""
    budget: float
    """Factor on the budget."""


class Variations(NamedTuple):
    """Verdicts of the variants of the rules, and of the scales."""

    rules: dict[tuple[str, str], str]
    """Severity of each rule that was varied, by kind and label."""
    verdicts: dict[Variant, Verdict]
    used: dict[tuple[str, str], str]
    """Level of each rule as it is configured."""
    ladder: list[int]
    """Scales, in ticks, that led an alarm of a rule of kind slower."""
    scales: dict[tuple[str, str], list[Verdict]]
    """Of each such rule: for each of these scales the verdict of the alarms that it or a finer one led."""
    left_out: int
    """Rules that were not varied."""


def vary_rules(used: Analysed) -> Variations:
    """Find the verdict of every variant of the rules of an analysis, in one pass over its observations."""
    records, timelines = used.findings.records, used.timelines
    rules = {(rule.kind, rule.label): rule for r in records if r.plan is not None for rule in r.plan.rules}
    # A rule of kind rise has no budget to vary.
    varied = dict([entry for entry in rules.items() if entry[1].kind != RISE][:MOST_RULES])

    def vary(plan: Plan) -> tuple[PlanRule, ...]:
        return tuple(one for rule in plan.rules if (rule.kind, rule.label) in varied for one in _variants(rule))

    found = run(used.observations, used.settings, conditioning=used.conditioning, readings=None, kept=0, rules=vary)
    alarms: dict[Variant, list[AlarmEvent]] = {
        _read(rule.kind, one.label): [] for rule in varied.values() for one in _variants(rule)
    }
    for event in found.events:
        if event.what == "raised":
            alarms[_read(event.rule, event.label)].append(event)
    levels = {key: _level(rule.channels) for key, rule in varied.items()}
    slow = {key: alarms[Variant(*key, levels[key], 1.0)] for key in varied if key[0] == SLOWER}
    ladder = sorted({alarm.scale for own in slow.values() for alarm in own})
    return Variations(
        {key: rule.severity for key, rule in varied.items()},
        {variant: find_verdict(records, timelines, raised) for variant, raised in alarms.items()},
        levels, ladder,
        {
            key: [find_verdict(records, timelines, [a for a in own if a.scale <= scale]) for scale in ladder]
            for key, own in slow.items()
        },
        len(rules) - len(varied),
    )  # fmt: skip


def _variants(rule: PlanRule) -> Iterator[PlanRule]:
    """Give a rule with every threshold and budget; its label says which."""
    for channels in _levels(rule.channels):
        for factor in BUDGETS:
            label = _MARK.join((rule.label, _level(channels), repr(factor)))
            yield replace(rule, channels=channels, alpha=min(LARGEST_ALPHA, factor * rule.alpha), label=label)


def _read(kind: str, label: str) -> Variant:
    name, level, factor = label.split(_MARK)
    return Variant(kind, name, level, float(factor))


def _levels(channels: tuple[PlanChannel, ...]) -> list[tuple[PlanChannel, ...]]:
    """Give the channels of a rule with every threshold; those of a weighted rule or of kind slower stay as they are."""
    if len(channels) > 1 or channels[0].kind == SLOWER:
        return [channels]
    (part,) = channels
    if part.ratio is not None:
        several = [replace(part, ratio=1.0 + factor * (part.ratio - 1.0)) for factor in FACTORS]
    elif part.threshold is None:
        several = [replace(part, delta=factor * (_DELTA if part.delta is None else part.delta)) for factor in FACTORS]
        several[FACTORS.index(1.0)] = part
    else:
        lowest = min(0.01, part.threshold) if part.kind == "modulus" else LOWEST_THRESHOLD
        moved = [min(max(round(part.threshold + step, 6), lowest), HIGHEST_THRESHOLD) for step in STEPS]
        several = [replace(part, threshold=threshold) for threshold in dict.fromkeys(moved)]
    return [(one,) for one in dict.fromkeys(several)]


def _level(channels: tuple[PlanChannel, ...]) -> str:
    """Write the threshold of a rule, or what takes its place."""
    if len(channels) > 1 or channels[0].kind == SLOWER:
        return ""
    (part,) = channels
    if part.ratio is not None:
        return f"ratio {part.ratio:g}"
    if part.threshold is None:
        return "delta by default" if part.delta is None else f"delta {part.delta:g}"
    return f"threshold {part.threshold:g}"


def describe_variations(found: Variations, records: Sequence[SeriesRecord], *, labelled: bool) -> ReportSection:
    """Describe the verdicts in words, as tables and as pictures."""
    what = "events detected, false alarms" if labelled else "series that alarmed"
    title = f"Does the verdict depend on thresholds, budgets and scales? ({what})"
    if all(math.isnan(record.max_evidence) for record in records):
        return ReportSection(
            title, ["Nothing can be said of the choice: no series ever had a verdict with the settings as they are."]
        )
    grids = [grid for grid in (_slower_grid(found), *_threshold_grids(found)) if grid.rows]
    words = [_grid_in_words(grid) for grid in grids]
    if not rest_on_half_lives(records):
        words.append("Half-lives of bank and level were not varied: rules of kind slower have memories of their own.")
    if len(found.ladder) == 1:
        words.append(f"The scale of {_ticks(found.ladder[0])} led all alarms of kind slower.")
    elif found.ladder:
        grids.append(_scale_grid(found))
        words.append(
            f"{_grid_in_words(grids[-1])} Counted are the alarms of this run that a scale up to that one led; the "
            "ladder of scales is always read as a whole."
        )
    if found.left_out:
        words.append(f"{found.left_out} more rules were not varied.")
    pictures = "".join(f"<p>{escape(grid.corner)}<br>{grid.picture()}</p>" for grid in grids)
    return ReportSection(title, words, [grid.table() for grid in grids], picture=pictures)


def _ticks(number: int) -> str:
    return f"{number} tick{'s' if number > 1 else ''}"


def _grid_in_words(grid: VerdictGrid) -> str:
    if grid.different:
        return f"{grid.corner}: another verdict under {grid.different} of {grid.size} choices."
    return f"{grid.corner}: the same verdict under all {grid.size} choices."


def _slower_grid(found: Variations) -> VerdictGrid:
    """Lay out the budgets of the rules of kind slower, a row each."""
    rows = []
    for (kind, label), severity in found.rules.items():
        if kind == SLOWER:
            own = [found.verdicts[Variant(kind, label, "", factor)] for factor in BUDGETS]
            rows.append((severity, own, own[list(BUDGETS).index(1.0)]))
    return VerdictGrid("slower than it was", list(BUDGETS.values()), rows, "Verdict of each tier by its budget")


def _threshold_grids(found: Variations) -> Iterator[VerdictGrid]:
    """Lay out thresholds and budgets of each other rule."""
    for (kind, label), severity in found.rules.items():
        if kind != SLOWER:
            own = {v: verdict for v, verdict in found.verdicts.items() if (v.kind, v.label) == (kind, label)}
            used = found.used[kind, label]
            basis = own[Variant(kind, label, used, 1.0)]
            rows = [
                (
                    f"{level}{' (as used)' if level == used else ''}" if level else "as used",
                    [own[Variant(kind, label, level, factor)] for factor in BUDGETS],
                    basis,
                )
                for level in dict.fromkeys(variant.level for variant in own)
            ]
            name = rule_and_severity(kind, label, severity)
            yield VerdictGrid(name, list(BUDGETS.values()), rows, f"Verdict of {rule_in_words(kind, label)}")


def _scale_grid(found: Variations) -> VerdictGrid:
    """Lay out the scales that led alarms of rules of kind slower."""
    columns = [f"up to {_ticks(scale)}" for scale in found.ladder]
    rows = [(label, own, own[-1]) for (_, label), own in found.scales.items() if own]
    return VerdictGrid("slower than it was, by scale", columns, rows, "Verdict of each tier by scale")
