"""A plan in words, for `sentinel check`: every effective value in ticks and in time, and how soon a rule alarms.

The delays are those of `detectors/delay.py`, for a jump that halves the distance to the end of the scale: at threshold
0.8 one to 0.9. They say something about the instrument, nothing about the system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

from detectors import delay, detrending, half_life
from sentinel.config import SHORTEST_SEASON_TICKS, AlarmSettings, BankSettings
from sentinel.domain.spans import Cadence
from sentinel.domain.spelling import span_in_words
from sentinel.pipeline.plan import SHORTEST_SEASON_MEMORY, Plan, PlanChannel, PlanRule
from sentinel.text.claims import rule_in_words

# A configuration repeats its rules for every entry of `series`; each of these takes some milliseconds.
lag1_delay, modulus_delay, spread_delay = cache(delay.lag1_delay), cache(delay.modulus_delay), cache(delay.spread_delay)

LONGEST_TICKS = 1e7
"""Delays beyond this are not worth a number."""


def span(ticks: float, cadence: Cadence, digits: int = 3) -> str:
    """Write a number of ticks as time, in the unit a person would take."""
    return span_in_words(ticks * cadence.seconds, digits)


def describe_bank(plan: Plan, bank: BankSettings, cadence: Cadence) -> Iterator[str]:
    """Yield one line for each part of the instrument: how long it remembers, and the constants it uses."""
    memories = (
        ("half-life", plan.half_life, bank.half_life, "by cadence"),
        ("level", plan.level_half_life, bank.level_half_life, "by cadence"),
        ("scale", plan.scale_half_life, bank.scale_half_life, "two of the level"),
        ("spread", plan.spread_half_life, bank.spread_half_life, "the half-life"),
    )
    yield "; ".join(
        f"{what} {span(ticks, cadence)} = {ticks:.4g} ticks{'' if written else f' ({otherwise})'}"
        for what, ticks, written, otherwise in memories
    )
    always = BankSettings.retired
    yield (
        f"detectors: {plan.thresholds} from {plan.lowest_threshold:g} to {plan.highest_threshold:g}, and "
        f"{always['second_thresholds']} for oscillations; a past value saturates from "
        f"{2.0 / always['input_weight']:.3g} scales on, a shock from {1.0 / always['kappa']:.3g} on; deviations are "
        f"cut at {always['winsor']} scales"
    )
    for season, memory_ticks in zip(plan.seasons, plan.season_half_lives, strict=True):
        bins = min(int(always["season_bins"]), math.floor(season))
        too_soon = f"; under {SHORTEST_SEASON_MEMORY:g} ticks, small budgets may not hold"
        yield (
            f"season of {season:.4g} ticks in {bins} pieces of {span(season / bins, cadence)}, half forgotten after "
            f"{memory_ticks / season:.3g} periods = {span(memory_ticks, cadence)}"
            + ("" if memory_ticks >= SHORTEST_SEASON_MEMORY else too_soon)
        )
    for season in plan.seasons_left_out:
        yield f"season of {season:.4g} ticks is left out: at least {SHORTEST_SEASON_TICKS} ticks are needed"
    yield (
        f"shocks are recentred by a mean of half-life {always['mean_half_life']:g} pairs = "
        f"{span(always['mean_half_life'], cadence)}; a window of the fleet's ranking is {plan.window} ticks = "
        f"{span(plan.window, cadence)}"
    )
    if any(part.kind == "spread" or part.relative for rule in plan.rules for part in rule.channels):
        full = span(plan.learnt_after + plan.baseline_pairs, cadence)
        yield f"baseline period of {plan.baseline_pairs} pairs: full after {full} at the earliest"


def describe_rule(plan: Plan, rule: PlanRule, written: AlarmSettings, cadence: Cadence) -> Iterator[str]:
    """Yield the effective budget of a rule, then what each of its channels sees and how soon, then how it ends."""
    yield f"{rule.severity} {rule_in_words(rule.kind, rule.label)}: {_budget_in_words(rule, written, cadence)}"
    total = sum(part.weight for part in rule.channels)
    for part in rule.channels:
        weight = part.weight / total
        name = f"{part.kind} with weight {weight:.2g}: " if len(rule.channels) > 1 else ""
        yield f"  {name}{_channel_in_words(plan, rule, part, weight, cadence)}"
    yield f"  ends on evidence of the opposite at {rule.clear:g}; bets {', '.join(f'{bet:g}' for bet in rule.bets)}"


def _budget_in_words(rule: PlanRule, written: AlarmSettings, cadence: Cadence) -> str:
    """Say how the alpha that counts follows from the budget as it is written."""
    effective = f"alpha {rule.alpha:.3g} per tick = 1 false alarm per {span(1.0 / rule.alpha, cadence)} of each series"
    if written.alpha is not None and written.share == 1.0 and written.shared_by == 1:
        return effective
    source = f"budget {written.false_alarms}" if written.alpha is None else f"alpha {written.alpha:g}"
    share = f" x share {written.share:g}" if written.share != 1.0 else ""
    series = f" / {written.shared_by} series" if written.shared_by != 1 else ""
    uncut = written.uncut_alpha(cadence)
    cut = f"alpha {uncut:.3g} per tick, more than a rule can hold, cut to " if uncut > rule.alpha else ""
    return f"{source}{share}{series} = {cut}{effective}"


def _channel_in_words(plan: Plan, rule: PlanRule, part: PlanChannel, weight: float, cadence: Cadence) -> str:
    """Say after how many ticks a clear case of the claim raises the alarm alone, and when its opposite ends it."""
    alpha = rule.alpha * weight
    if part.kind == "spread":
        assert part.ratio is not None  # a spread channel has one
        ticks = spread_delay(part.ratio, 2.0 * part.ratio, alpha, bets=rule.bets, baseline=plan.baseline_pairs)
        seen = _about(ticks, alpha, cadence)
        return f"{2.0 * part.ratio:g} times the variance of its baseline period is seen after {seen}"
    if part.threshold is None:
        delta = f"{part.delta:g}" if part.delta is not None else "0.1 (0.05 from a lag-1 autocorrelation of 0.7 on)"
        past = f"{'below' if part.below else 'above'} its own past (the baseline period)"
        return f"the threshold is {delta} {past}, or the bound of that if it is farther"
    threshold = part.threshold
    reached = (threshold - 1.0) / 2.0 if part.below else (threshold + 1.0) / 2.0
    level = plan.level_half_life if plan.conditioning else None
    if part.kind == "modulus":
        ticks = modulus_delay(threshold, reached, alpha, level_half_life=level, bets=rule.bets)
        return f"a rise of the modulus to {reached:.4g} is seen after {_about(ticks, alpha, cadence)}"
    seen_as = detrending.below(threshold, half_life.gain(level)) if part.below and level is not None else threshold
    ticks = lag1_delay(seen_as, reached, alpha, below=part.below, level_half_life=level, bets=rule.bets)
    seen = f"a {'fall' if part.below else 'jump'} to {reached:.4g} is seen after {_about(ticks, alpha, cadence)}"
    back = 2.0 * threshold - reached
    if len(rule.channels) > 1 or not -1.0 < back < 1.0:
        return seen
    ticks = lag1_delay(seen_as, back, rule.clear, below=not part.below, level_half_life=level, bets=rule.bets)
    return f"{seen}; once it is back at {back:.4g}, the alarm ends within {_about(ticks, rule.clear, cadence)}"


def _about(ticks: float, alpha: float, cadence: Cadence) -> str:
    """Say a delay; `roughly` where the alpha is larger than those at which it was measured to be within 25 %."""
    if math.isnan(ticks):
        nearest = f"within {1.0 - delay.STEEPEST:.1g} of 1 or -1"
        return f"a time that is not computed: once the level is taken out, what is left lies {nearest}"
    if ticks > LONGEST_TICKS:
        return "so long that it may as well not be there"
    rounded = float(f"{ticks:.2g}")
    about = "about" if alpha <= delay.LARGEST_ALPHA else "roughly"
    return f"{about} {span(ticks, cadence, 2)} = {rounded:,.0f} ticks"
