"""A gate for settings: would they have seen a transition in the user's own quiet data, within their budget?

The record is analysed as it is, which is taken to be quiet, and once more with a transition put into each series: its
own shocks, met by a return that becomes ever slower. Before a fold the rate of return falls as the square root of the
way that is left (the normal form dx/dt = m - x^2): of a lag-1 autocorrelation `r` at the begin, `r ** sqrt(1 - s)` is
left after the share `s` of the way. What each value would have kept of the one before it is added; the values before
the begin stay as they are, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import polars as pl

from sentinel.analysis.assembling import sort_input
from sentinel.analysis.budgets import RuleBudget, Watch, list_budgets
from sentinel.analysis.intake import Intake
from sentinel.analysis.intervals import count_interval, share_interval
from sentinel.analysis.run import Findings, refuse_nothing, run
from sentinel.config import Settings
from sentinel.domain.errors import DataError, UsageError
from sentinel.domain.printing import some_of
from sentinel.pipeline.arrays import Floats, Ints
from sentinel.text.words import rule_and_severity

BEGIN = 0.5
"""Share of the record behind which the way to the transition begins; it ends with the record."""
SLOWEST, FASTEST = 0.95, 0.05
"""Lag-1 autocorrelation at the begin is taken within these: at 1 there is no way left, at 0 nothing becomes slower."""
WINDOW = 4.0
"""Ticks of the centred mean that deviations are taken from, in half-lives of the level."""
FEWEST = 20
"""Values of a series below which no transition is put into it."""
_FORM = re.compile(r"\s*(detected|lead)\s*>=\s*([0-9.]+)\s*|\s*(false_alarms)\s*<=\s*(budget|[0-9.]+)\s*")
_ALLOWED = "'detected >= 0.9', 'lead >= 0.2', 'false_alarms <= budget' or 'false_alarms <= 3' are allowed, with commas"


class Condition(NamedTuple):
    """One condition of a gate."""

    name: str
    limit: float | None
    """None: the budget."""


class Tried(NamedTuple):
    """The results of the quiet run and of the one with transitions."""

    rules: list[RuleBudget]
    """Of the record as it is."""
    leads: dict[str, float | None]
    """By series with a transition: share of the way that was left at the first alarm; None if there was none."""
    left_out: list[str]
    """Series that are too short for a transition."""

    @property
    def detected(self) -> int:
        """Number of transitions that an alarm came before."""
        return sum(lead is not None for lead in self.leads.values())

    @property
    def lead(self) -> float:
        """Median share of the way that was left, over all transitions; 0 for one that was missed."""
        return float(np.median([lead or 0.0 for lead in self.leads.values()])) if self.leads else 0.0


def parse_gate(text: str, *, injects: bool) -> list[Condition]:
    """Read conditions; UsageError says what is allowed."""
    found = []
    for part in text.split(","):
        match = _FORM.fullmatch(part)
        name, written = (match[1] or match[3], match[2] or match[4]) if match else ("", "")
        try:
            limit = None if written == "budget" else float(written)
        except ValueError:
            raise UsageError(f"--gate {text!r}: {part.strip()!r}; {_ALLOWED}") from None
        if name != "false_alarms" and not (limit is not None and 0.0 <= limit <= 1.0):
            raise UsageError(f"--gate {text!r}: {part.strip()!r}; a share from 0 to 1 is allowed")
        if name != "false_alarms" and not injects:
            raise UsageError(f"--gate {text!r}: {name} needs a transition; give --inject fold too")
        found.append(Condition(name, limit))
    return found


def try_settings(
    paths: Sequence[Path], intake: Intake, settings: Settings, folder: Path, *, conditioning: bool, injects: bool
) -> Tried:
    """Analyse a record as it is, and with a transition in each series. Raises DataError as a backtest does."""
    where = ", ".join(map(str, paths))
    with TemporaryDirectory(prefix=".sentinel-", dir=folder) as temporary:
        watch = Watch()
        quiet = _run(intake, settings, Path(temporary), where, watch, conditioning=conditioning)
        rules = list_budgets(watch.counts.items())
        if not injects:
            return Tried(rules, {}, [])
        if intake.numbered:
            raise DataError(f"{where}: times are numbers; --inject needs times of a calendar")
        if intake.differences:
            raise DataError(f"{where}: a column counts; --inject needs values that return to a level: leave it out")
        frames, begins, left_out = _inject(intake, quiet)
        if not begins:
            raise DataError(f"{where}: no series has {FEWEST} values in two halves; a longer record is needed")
        changed = intake._replace(observations=pl.concat(frames).lazy(), differences=())
        loud = _run(changed, settings, Path(temporary), where, Watch(), conditioning=conditioning)
    known = {event.id for event in quiet.events}
    first: dict[str, int] = {}
    for event in loud.events:
        begun_us = begins.get(event.series, (event.time_us, 0))[0]
        if event.what == "raised" and event.id not in known and event.time_us > begun_us:
            first.setdefault(event.series, event.time_us)
    leads = {
        name: max(0.0, (end_us - first[name]) / (end_us - begin_us)) if name in first else None
        for name, (begin_us, end_us) in begins.items()
    }
    return Tried(rules, leads, left_out)


def _run(intake: Intake, settings: Settings, folder: Path, where: str, watch: Watch, *, conditioning: bool) -> Findings:
    observations = sort_input(intake, folder, settings, where)
    findings = run(observations, settings, conditioning=conditioning, readings=None, kept=0, observers=[watch])
    refuse_nothing(findings, observations, where)
    return findings


def _inject(intake: Intake, quiet: Findings) -> tuple[list[pl.DataFrame], dict[str, tuple[int, int]], list[str]]:
    """Give the table with transitions, begin and end of each by series, and the series that are too short."""
    plans = {record.name: record.plan for record in quiet.records if record.target is None}
    table = intake.observations.select("series", "time", "value").collect()
    frames, begins, left_out = [], {}, []
    for (name,), part in table.partition_by("series", as_dict=True, maintain_order=True).items():
        own = part.drop_nulls("value").unique("time", keep="first").sort("time")
        time_us, value = own["time"].cast(pl.Datetime("us", "UTC")).cast(pl.Int64).to_numpy(), own["value"].to_numpy()
        plan = plans.get(str(name))
        if plan is None or value.size < 2 * FEWEST:
            frames.append(own)
            left_out.append(str(name))
            continue
        tick = np.rint((time_us - time_us[0]) / plan.cadence_us).astype(np.int64)
        found = inject_fold(tick, value, plan.level_half_life, plan.seasons)
        frames.append(own.with_columns(value=pl.Series(found.value)))
        begins[str(name)] = int(time_us[found.begin]), int(time_us[-1])
    return frames, begins, left_out


def judge_gate(tried: Tried, conditions: Sequence[Condition]) -> tuple[bool, list[str]]:
    """Tell whether all conditions hold, with a line on each and on what it rests on.

    False alarms fail a condition only where the lower end of their 95 % interval is above the limit: a record is short,
    and an alarm beside the budget may be chance.
    """
    passed, lines = True, []
    for rule in tried.rules:
        low, high = count_interval(rule.alarms)
        lines.append(
            f"{rule_and_severity(rule.rule, rule.label, rule.severity)}: {rule.alarms:,} alarms on the record as it is "
            f"({low:.2g} to {high:.2g}), budget {rule.allowed:.3g} for {rule.watching:,} ticks"
        )
    if tried.leads:
        total = len(tried.leads)
        low, high = share_interval(tried.detected, total)
        lines.append(
            f"transitions seen: {tried.detected} of {total} ({low:.2f} to {high:.2f}), with {tried.lead:.0%} of "
            "the way left at the median"
        )
        missed = [name for name, lead in tried.leads.items() if lead is None]
        lines += [f"not seen: {some_of(missed, 10)}"] if missed else []
    if tried.left_out:
        lines.append(f"too short for a transition: {', '.join(tried.left_out[:10])}")
    for condition in conditions:
        holds, words = _judge(tried, condition)
        passed &= holds
        lines.append(f"{'holds' if holds else 'FAILS'}: {words}")
    return passed, lines


def _judge(tried: Tried, condition: Condition) -> tuple[bool, str]:
    name, limit = condition
    if name == "false_alarms" and limit is None:
        over = [rule for rule in tried.rules if count_interval(rule.alarms)[0] > rule.allowed]
        which = "; ".join(rule_and_severity(rule.rule, rule.label, rule.severity) for rule in over)
        return not over, f"false_alarms <= budget{f': above it: {which}' if over else ''}"
    assert limit is not None  # only false_alarms may have none
    if name == "false_alarms":
        alarms = sum(rule.alarms for rule in tried.rules)
        return count_interval(alarms)[0] <= limit, f"false_alarms <= {limit:g}: {alarms:,}"
    found = tried.detected / len(tried.leads) if name == "detected" else tried.lead
    return found >= limit, f"{name} >= {limit:g}: {found:.3g}"


class Injected(NamedTuple):
    """A record with a transition at its end."""

    value: Floats
    begin: int
    """Position of the first value that differs."""
    lag1: float
    """Of the deviations, before the begin, from which the way starts."""


def inject_fold(tick: Ints, value: Floats, level_half_life: float, seasons: tuple[float, ...] = ()) -> Injected:
    """Put a fold into the second half of a record, which ends just before it.

    `tick` is the number of the tick of each value, rising; `value` has the same shape and is finite. The half-life of
    the level and the declared `seasons` are in ticks.
    """
    deviation = _deviate(tick, value, level_half_life, seasons)
    begin = int(np.searchsorted(tick, tick[0] + BEGIN * (tick[-1] - tick[0])))
    near = np.flatnonzero(np.diff(tick[:begin]) == 1)
    past, present = deviation[near], deviation[near + 1]
    power = float(past @ past)
    lag1 = float(np.clip(past @ present / power, FASTEST, SLOWEST)) if power > 0.0 else FASTEST
    way = (tick[begin:] - tick[begin]) / max(1, tick[-1] - tick[begin])
    excess, added = 0.0, np.zeros(value.size)
    for at, (kept, step) in enumerate(zip(lag1 ** np.sqrt(1.0 - way), np.diff(tick[begin - 1 :]), strict=True), begin):
        excess *= kept**step
        if step == 1:  # behind a gap the value before is not known
            excess += (kept - lag1) * deviation[at - 1]
        added[at] = excess
    return Injected(value + added, begin, lag1)


def _deviate(tick: Ints, value: Floats, level_half_life: float, seasons: tuple[float, ...]) -> Floats:
    """Take out a centred mean, and the mean of each 24th of each season."""
    left = value - value.mean()
    for season in seasons:
        part = (tick % season / season * min(24, int(season))).astype(np.int64)
        count = np.maximum(1, np.bincount(part))
        left = left - (np.bincount(part, left) / count)[part]
    width = max(3, round(WINDOW * level_half_life))
    total = np.concatenate([[0.0], np.cumsum(left)])
    first = np.searchsorted(tick, tick - width)
    last = np.searchsorted(tick, tick + width, side="right")
    return np.asarray(left - (total[last] - total[first]) / (last - first))
