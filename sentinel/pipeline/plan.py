"""The plan of a series: everything its settings mean once its cadence is known, in ticks.

This is the one conversion from durations to steps. Series with equal plans are stepped together as one cohort, so a
plan is a value: frozen, comparable, and the fingerprint under which a cohort's state is kept.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from sentinel import config
from sentinel.domain.labels import comparison_name
from sentinel.domain.spans import DAY, HOUR, MINUTE, MONTH, SECOND, Cadence, HalfLife
from sentinel.pipeline.arrays import Ints
from sentinel.pipeline.limits import Limits, limits_of
from sentinel.pipeline.presets import PRESETS, RISE_MEASURED

CONDITIONER_WARM_UP = 50
UNCLIPPED = 20
"""First points, by which the conditioner finds the level; also differences by which a comparison finds its scale."""
SHORTEST_SEASON_MEMORY = 120.0
"""Ticks. A season's estimate drifts; small budgets take faster drift for slowing: for seasons of 7 ticks
false alarms are 1.1 of a budget of 1e-5 with 35 ticks, 0.4 with 120."""
APART = 0.4
BASELINE = 120  # points of the spread's baseline
FEWEST_PAIRS = 10
"""Pairs that the bank needs at least, behind the values from which the level is learnt."""
STAMPS_FOR_CADENCE = 50
LONGEST_GAP = 10_000
"""Missing ticks in a row, at most, before a series starts anew: each of them is a row in memory."""
LEAST_PATIENCE = 1_000
"""Ticks that a target waits for a counterpart behind it, however short their longest gap: a source may bring many."""
_LOOKED_AT = 4096
_MIDDLE_DAYS = 3
"""Days between the earliest and the latest middle of a month: 15 February to 16 December at noon, a day to spare."""


class Defaults(NamedTuple):
    """Defaults by cadence, where nothing is configured; ticks."""

    half_life: float
    level_half_life: float
    warm_up: int


def defaults_for(cadence_us: int) -> Defaults:
    """Choose by the fixed table: daily and slower records are short, so they forget faster and are judged earlier."""
    if cadence_us >= DAY:
        return Defaults(half_life=40.0, level_half_life=30.0, warm_up=70)
    return Defaults(half_life=70.0, level_half_life=30.0, warm_up=100)


@dataclass(frozen=True, slots=True)
class PlanChannel:
    """One claim that a rule gathers evidence for."""

    kind: str
    """`lag1`, `modulus`, `spread`, `slower` or `rise`."""
    threshold: float | None
    """None: of spread, of slower, and relative to the series' own baseline period."""
    below: bool = False
    relative: bool = False
    delta: float | None = None
    """None = by the baseline period."""
    ratio: float | None = None
    weight: float = 1.0

    @property
    def line(self) -> float | None:
        """The threshold of its reading, as written in the settings; None = by the baseline period."""
        return self.ratio if self.kind in ("spread", config.RISE) else self.threshold


@dataclass(frozen=True, slots=True)
class PlanRule:
    """One alarm rule."""

    kind: str
    label: str
    """Name of the claim within its kind, such as `0.8`, `below -0.5`, `relative`, `1.5x`, `warning`."""
    channels: tuple[PlanChannel, ...]
    alpha: float
    """Effective: budgeted false alarms per series and tick."""
    severity: str
    clear: float
    bets: tuple[float, ...]
    waits: bool = False
    """A claim that has held from the first verdict on is a state, not an alarm. Series that run go on as they began."""

    @classmethod
    def of(cls, rule: config.AlarmSettings, cadence: Cadence) -> PlanRule:
        """Read the settings of a rule on that cadence."""
        alpha = rule.alpha_per_tick(cadence)
        if rule.kind == config.SLOWER:
            return cls(
                rule.kind, rule.label, (PlanChannel(config.SLOWER, None),), alpha, rule.severity, rule.clear, rule.bets
            )
        if rule.kind == config.RISE:
            channel = PlanChannel(config.RISE, None, ratio=rule.ratio or config.RISE_RATIO)
            return cls(rule.kind, rule.label, (channel,), alpha, rule.severity, rule.clear, rule.bets)
        channels = tuple(PlanChannel(
            part.kind, part.threshold if isinstance(part.threshold, float) else None, part.side == "below",
            part.threshold == config.RELATIVE, part.delta,
            (part.ratio or config.RATIO) if part.kind == "spread" else None, part.weight,
        ) for part in rule.parts())  # fmt: skip
        return cls(rule.kind, rule.label, channels, alpha, rule.severity, rule.clear, rule.bets, rule.waits)


@dataclass(frozen=True, slots=True)
class Plan:
    """Effective settings of a series; spans in ticks unless the name says microseconds."""

    cadence_us: int
    months: int
    lateness_us: int
    mean: bool
    max_gap: int
    seasons: tuple[float, ...]
    seasons_left_out: tuple[float, ...]
    """Declared, but too short to be seen on the cadence."""
    lowest: float
    highest: float
    """A value outside is a fault of the sensor and counts as missing."""
    stuck_after: int
    """Ticks of exactly the same value."""
    blind_after_missing: int
    """Missing ticks in a row before a series is blind, or a counterpart is missing."""
    implausible: float
    """Scales from the level beyond which a value counts as missing."""
    coarse_steps: float
    """Scales that values that differ may lie apart on average."""
    resolution: float
    """Values are rounded to its multiples; 0 = as they came."""
    stale_after_us: int
    half_life: float
    level_half_life: float
    warm_up: int
    """Valid ticks before the first verdict, conditioner and bank together, as asked for; see `ready_after`."""
    thresholds: int
    lowest_threshold: float
    highest_threshold: float
    scale_half_life: float
    season_half_lives: tuple[float, ...]
    """Ticks in which half of each season is forgotten."""
    spread_half_life: float
    baseline_pairs: int
    """Valid pairs of the baseline period."""
    window: int
    """Of the fleet ranking."""
    rules: tuple[PlanRule, ...]
    conditioning: bool
    """False = values are taken as residuals already; the sensor is watched all the same."""
    is_comparison: bool = False
    """Of the difference of a target and its counterpart, which are conditioned already."""
    preset: str = ""
    """Of the bank; empty = none."""
    keeps: bool = False
    """Scale, season and the spread's baseline outlast a gap."""
    checks: Limits | tuple[()] = ()

    @property
    def cadence(self) -> Cadence:
        """Span of a tick."""
        return Cadence(self.cadence_us, self.months)

    @property
    def apart(self) -> float:
        """Change of spread of a target against its counterpart from which evidence on spread is gathered: 0.4, which is
        log 1.5, the usual ratio, to a digit; where a rule has a smaller ratio, the log of that."""
        ratios = [part.ratio for rule in self.rules for part in rule.channels if part.kind == "spread" and part.ratio]
        return min([APART, *map(math.log, ratios)])

    @property
    def level_warm_up(self) -> int:
        """Points from which the level is learnt."""
        if self.preset:
            return PRESETS[self.preset].level_warm_up
        return max(CONDITIONER_WARM_UP, math.ceil(self.level_half_life))

    @property
    def judged_after(self) -> int:
        """Values of a series before it is judged against another one."""
        return PRESETS[self.preset].level_warm_up if self.preset else CONDITIONER_WARM_UP

    @property
    def first_square(self) -> int:
        """Values before the first deviation that the spread takes in."""
        return PRESETS[self.preset].level_warm_up if self.preset else UNCLIPPED + 1

    @property
    def conditioner_warm_up(self) -> int:
        """Points before the conditioner's first pair; with a season, ticks: two periods of it."""
        return max([self.level_warm_up, *(math.ceil(2.0 * p) for p in self.seasons)]) if self.conditioning else 0

    @property
    def learnt_after(self) -> int:
        """Ticks with a value before the first pair; of a comparison both sides learn first, then its scale."""
        learnt = self.conditioner_warm_up or (CONDITIONER_WARM_UP if self.is_comparison else 1)
        return learnt + UNCLIPPED if self.is_comparison else learnt

    @property
    def ready_after(self) -> int:
        """Ticks with a value before the first verdict: those that the conditioner needs, then those of the bank."""
        return self.learnt_after + self.warm_up_pairs

    @property
    def patience(self) -> int:
        """Ticks that a target waits for this series as its counterpart, at most."""
        silent = math.ceil(self.stale_after_us / self.cadence_us)
        return min(LONGEST_GAP, max(LEAST_PATIENCE, self.max_gap, silent))

    @property
    def baseline(self) -> int:
        """Points of the spread's baseline."""
        return PRESETS[self.preset].baseline if self.preset else max(BASELINE, self.spread_given_from)

    @property
    def spread_given_from(self) -> int:
        """Points from which the spread is given: those of the warm-up but the first, which seek the level."""
        if self.preset:
            return PRESETS[self.preset].spread_given_from
        seasonal = self.seasons and not self.is_comparison
        return self.warm_up_pairs if seasonal else max(10, self.warm_up - UNCLIPPED - 1)

    @property
    def warm_up_pairs(self) -> int:
        """Pairs the bank needs after the conditioner has learnt."""
        return max(FEWEST_PAIRS, self.warm_up - self.level_warm_up)


def plan_for(settings: config.Settings, name: str, cadence: Cadence, *, conditioning: bool = True) -> Plan:
    """Plan the series `name` on that cadence; seasons too short to be seen on it are left out."""
    series, bank = settings.series_for(name), settings.bank_for(name)
    preset = PRESETS[bank.preset] if bank.preset else None
    chosen = preset or defaults_for(cadence.microseconds)

    def ticks_of(written: HalfLife | None, otherwise: float) -> float:
        # Settings refuse what they can: a half-life of 12h may meet a series whose cadence turns out to be a day.
        if written is None:
            return otherwise
        return min(max(written.ticks(cadence), config.SHORTEST_HALF_LIFE_TICKS), config.LONGEST_HALF_LIFE_TICKS)

    half_life = ticks_of(bank.half_life, chosen.half_life)
    level = ticks_of(bank.level_half_life, chosen.level_half_life)
    # The shortest first: the bins of a longer one are wide, and would make noise of what is left of a shorter one.
    seasons = sorted(season / cadence.microseconds for season in series.season if conditioning)
    kept = tuple(ticks for ticks in seasons if ticks >= config.SHORTEST_SEASON_TICKS)
    longest = series.max_gap / cadence.microseconds if series.max_gap else 2.0 * half_life
    max_gap = min(max(1, math.floor(longest)), LONGEST_GAP)
    (low, high), memory = series.range or (None, None), bank.season_memory
    return Plan(
        cadence_us=cadence.microseconds, months=cadence.months, lateness_us=series.lateness,
        mean=series.aggregate == "mean", max_gap=max_gap, seasons=kept,
        seasons_left_out=tuple(ticks for ticks in seasons if ticks < config.SHORTEST_SEASON_TICKS),
        lowest=-math.inf if low is None else low, highest=math.inf if high is None else high,
        stuck_after=series.stuck_after_ticks, resolution=series.resolution or 0.0,
        blind_after_missing=series.blind_after_missing_ticks or max(3, math.ceil(max_gap / 10)),
        implausible=series.implausible_scales, coarse_steps=series.coarse_steps,
        stale_after_us=series.stale_after or 3 * cadence.microseconds + series.lateness,
        half_life=half_life, level_half_life=level,
        warm_up=bank.warm_up_ticks or (
            preset.warm_up if preset else max(chosen.warm_up, CONDITIONER_WARM_UP + math.ceil(half_life / 3.5))
        ),
        thresholds=bank.thresholds, lowest_threshold=bank.lowest, highest_threshold=bank.highest,
        scale_half_life=ticks_of(bank.scale_half_life, 2.0 * level),
        season_half_lives=tuple(memory * t if memory else max(5.0 * t, SHORTEST_SEASON_MEMORY) for t in kept),
        spread_half_life=ticks_of(bank.spread_half_life, preset.spread_half_life if preset else half_life),
        baseline_pairs=bank.baseline_ticks, window=bank.window_ticks,
        rules=_rules(settings, name, cadence, bank.preset), conditioning=conditioning,
        preset=bank.preset or "", keeps=series.across_gaps == "keep",
        checks=limits_of(series.checks, cadence),
    )  # fmt: skip


def _rules(settings: config.Settings, name: str, cadence: Cadence, preset: str | None) -> tuple[PlanRule, ...]:
    rules = (PlanRule.of(rule, cadence) for rule in settings.rules_for(name))
    return tuple(replace(rule, alpha=RISE_MEASURED) if _is_measured(rule, preset) else rule for rule in rules)


def _is_measured(rule: PlanRule, preset: str | None) -> bool:
    """Tell if it was measured how often a rule of kind rise is wrong; a higher line is crossed less often."""
    return rule.kind == config.RISE and preset is not None and (rule.channels[0].ratio or 0.0) >= config.RISE_RATIO


def list_names(settings: config.Settings, names: Iterable[str]) -> list[str]:
    """Name these series and their comparisons with counterparts."""
    own = list(names)
    pairs = ((name, settings.counterpart_for(name)) for name in own)
    return [*own, *(comparison_name(name, counterpart) for name, counterpart in pairs if counterpart is not None)]


def plan_of(settings: config.Settings, target: str, name: str, cadence: Cadence, *, conditioning: bool = True) -> Plan:
    """Plan the series `name`; a comparison, whose target has another name, like its target but with the rules that its
    own name matches."""
    plan = plan_for(settings, target, cadence, conditioning=conditioning)
    return (
        plan
        if name == target
        else replace(plan, rules=_rules(settings, name, cadence, plan.preset or None), is_comparison=True, checks=())
    )


class Plans:
    """The plans under some settings: one for all series that match the same entries."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self._plans: dict[Hashable, Plan] = {}

    def find(self, target: str, name: str, cadence: Cadence, *, conditioning: bool) -> Plan:
        """Return the plan of the series `name`; of a comparison its target has another name."""
        own = None if name == target else self.settings.entry_key(name)
        key = self.settings.entry_key(target), own, cadence, conditioning
        if key not in self._plans:
            self._plans[key] = plan_of(self.settings, target, name, cadence, conditioning=conditioning)
        return self._plans[key]


class SeriesPlans:
    """The plans of the series of a state; by id their `names`, and the `target` of a comparison, else their own id."""

    def __init__(self, plans: Plans, names: Sequence[str], target: Ints) -> None:
        self._plans, self._names, self._target = plans, names, target
        numbers: dict[Hashable, int] = {}
        keys = map(plans.settings.entry_key, names)
        own = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
        # Equal codes: the same entries for the series and for its target, so one plan on one cadence.
        self._code = own[target] * (len(numbers) + 1) + np.where(target == np.arange(own.size), 0, own + 1)

    def divide(self, ids: Ints, cadence: Cadence, *, conditioning: bool) -> Iterator[tuple[Plan, Ints]]:
        """Give each plan and the positions in `ids` that have it (not of negative ids); `cadence` where none is set."""
        found: dict[Plan, list[Ints]] = defaultdict(list)
        known = np.flatnonzero(ids >= 0)
        codes, first, of = np.unique(self._code[ids[known]], return_index=True, return_inverse=True)
        for at in range(codes.size):
            series = int(ids[known[first[at]]])
            target = self._names[self._target[series]]
            own = self._plans.settings.series_for(target).cadence or cadence
            plan = self._plans.find(target, self._names[series], own, conditioning=conditioning)
            found[plan].append(known[of == at])
        for plan, several in found.items():
            yield plan, np.sort(np.concatenate(several))


_USUAL = tuple(
    unit * n
    for unit, counts in (
        (SECOND, (1, 2, 5, 10, 15, 20, 30)),
        (MINUTE, (1, 2, 3, 5, 6, 10, 12, 15, 20, 30)),
        (HOUR, (1, 2, 3, 4, 6, 8, 12)),
        (DAY, (1, 7, 14)),
    )
    for n in counts
)


def learn_cadence(times_us: Ints, *, ended: bool = False) -> Cadence | None:
    """Learn the cadence of a series from its first 50 distinct time stamps, in order of arrival.

    None while there are fewer, unless the input has `ended` and there are at least two. It is the typical short spacing
    (the median of those near the lower quartile), so that missing stamps do not widen it; a spacing within 2 % of a
    usual one is that one; stamps on the same day of every month or year, or in the middle of months, which have no
    day in common, are a calendar cadence.
    """
    _, first = np.unique(times_us[:_LOOKED_AT], return_index=True)
    if first.size < (2 if ended else STAMPS_FOR_CADENCE):
        return None
    stamps = np.sort(times_us[np.sort(first)[:STAMPS_FOR_CADENCE]])
    steps = np.diff(stamps)
    quartile = float(np.quantile(steps, 0.25, method="lower"))
    typical = float(np.median(steps[(steps >= quartile / 1.5) & (steps <= quartile * 1.5)]))
    months = round(typical / MONTH)
    if months >= 1 and abs(typical / MONTH - months) < 0.1 * months:
        days = stamps.astype("datetime64[us]").astype("datetime64[D]")
        of_month = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
        # Steps of 30 days that are all alike are no months, though the first of them stay near one day.
        centred = np.ptp(of_month) <= _MIDDLE_DAYS and np.ptp(steps) > 0
        if np.ptp(of_month) == 0 or of_month.min() >= 27 or centred:
            return Cadence.calendar(months)
    usual = min(_USUAL, key=lambda span: abs(span - typical))
    if abs(usual - typical) <= 0.02 * usual:
        return Cadence.fixed(usual)
    # Three digits: series whose stamps jitter around the same spacing then share a plan.
    digits = 2 - math.floor(math.log10(typical))
    return Cadence.fixed(max(1, int(typical if np.ptp(steps) == 0 else round(typical, digits))))
