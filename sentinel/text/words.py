"""A series in words: its rules, readings, and why there is no verdict; and its plan, for `check`.

The delays of a plan are those of `detectors/delay.py`, for a jump that halves the distance to the end of the scale: at
threshold 0.8 one to 0.9. They say something about the instrument, nothing about the system.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from math import exp, isinf, isnan, log

import numpy as np

from detectors import delay, detrending, half_life, halving
from detectors.ledger import FIRST_BET, SCALES
from sentinel.config import RISE, SHORTEST_SEASON_TICKS, SLOWER, AlarmSettings, BankSettings
from sentinel.domain.channels import CLAIMS, Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.spans import Cadence, duration_in_words, moment_in_words, number_in_words, span_in_words
from sentinel.domain.states import Reason, SeriesView, Spectrogram
from sentinel.pipeline.plan import FEWEST_PAIRS, SHORTEST_SEASON_MEMORY, Plan, PlanChannel, PlanRule
from sentinel.pipeline.presets import RISE_MEASURED

SHORTEST_CYCLE = 2.1
"""Ticks; a shorter period is no more than a change of sign at every tick."""

REASONS: dict[Reason, str] = {
    Reason.NONE: "",
    Reason.WARM_UP: "still in warm-up",
    Reason.CADENCE: "learning the cadence",
    Reason.STALE: "no observations arrive",
    Reason.GAP: "restarted after a long gap",
    Reason.STUCK: "the value is stuck",
    Reason.TOO_COARSE: "resolution too coarse",
    Reason.OUT_OF_RANGE: "value out of range",
    Reason.IMPLAUSIBLE: "values are implausible",
    Reason.TOO_SLOW: "too slow for this record: at no scale does it forget within its level's memory",
    Reason.BASELINE: "its own past is not known yet",
    Reason.SPACING: "values come, but no two are one tick apart",
    Reason.COUNTERPART_MISSING: "counterpart missing: judged alone",
    Reason.COUNTERPART_BEHIND: "its counterpart is behind: waiting for it",
    Reason.ON_HOLD: "on hold: a declared event has closed its input gate",
    Reason.FAILED_CHECK: "values fail their checks",
}

SHIFTED = "unknown: it may have shifted"
HELD = "slow for its cadence (sampled fast, or already slow)"
"""Of a series whose claim has held from the first verdict on."""
REMARKS = {
    "one_sided": "It is one-sided: a level shift looks like this too.",
    "noise": "It has no support at lag 2, or comes without more spread: the sensor's noise may have changed instead.",
}
"""Why an alarm on lag 1 may not be slowing, by name; the order is that of their bits."""


def rule_in_words(kind: str, label: str) -> str:
    """Name a rule: `lag-1 above 0.8`, `lag-1 above its own past`, `variance above 1.5 × its own past`."""
    if kind == "weighted":
        return " with ".join(rule_in_words(*part.split(" ", 1)) for part in label.split(" + "))
    side = "below" if label.startswith("below ") else "above"
    threshold, _, delta = label.removeprefix("below ").partition(" ")
    past = f"its own past{f' by {delta}' if delta else ''}"
    return CLAIMS[kind].rule.format(side=side, limit=past if threshold == "relative" else threshold.removesuffix("x"))


def rule_and_severity(kind: str, label: str, severity: str) -> str:
    """Name a rule with its severity, once: `lag-1 above 0.8 (critical)`, `slower than it was (critical)`."""
    words = rule_in_words(kind, label)
    return words if kind == SLOWER else f"{words} ({severity})"  # of slower the severity is the label


def lag1_in_words(estimates: Estimates[float]) -> str:
    """Write lag-1 with its 95 % band: `0.82 (0.74 to 0.88)`, `0.98 (above 0.95)`, `0.99 or more`; `not ready`.

    Beyond the outermost detectors estimate and closed end are the same number: `0.99 or more`, `-0.95 or less`.
    """
    lag1, low, high = estimates[:3]
    if isnan(lag1):
        return "not ready"
    number, from_, to = f"{lag1:.2f}", f"{low:.2f}", f"{high:.2f}"
    if low <= -1 and high >= 1:
        return f"{number} (band open)"
    if high >= 1:
        return f"{number} or more" if from_ == number else f"{number} (above {from_})"
    if low <= -1:
        return f"{number} or less" if to == number else f"{number} (below {to})"
    return f"{number} ({from_} to {to})"


def known_recovery(estimates: Estimates[float]) -> tuple[str, float]:
    """Give the lag-1 that tells a recovery time, behind `about` or `at least`; behind an empty word if none does."""
    word, lag1 = ("at least", estimates.lag1_low) if estimates.lag1_high >= 1.0 else ("about", estimates.lag1)
    return (word if 0.0 < lag1 < 1.0 else "", lag1)


def recovery_in_words(view: SeriesView) -> str:
    """Write the recovery time, or `at least` its lower end where the band is open above only; `shifted` by a jump."""
    if isnan(view.estimates.lag1):
        return "not ready"
    if isnan(view.recovery_seconds):
        return "none: lag-1 is not above 0" if view.estimates.lag1 <= 0 else "unknown"
    if isinf(view.recovery_high_seconds) and view.recovery_low_seconds > 0 and not view.hides_recovery:
        return f"at least {duration_in_words(view.recovery_low_seconds)}"
    return SHIFTED if view.hides_recovery else duration_in_words(view.recovery_seconds)


def recovery_band_in_words(view: SeriesView) -> str:
    """Write the recovery time's band: `5 h to 19 h`, `up to 19 h`, `band open`; empty where the time itself says it."""
    low, high = view.recovery_low_seconds, view.recovery_high_seconds
    if isnan(low) or (isinf(high) and low > 0):
        return ""
    if low > 0:
        return f"{duration_in_words(low)} to {duration_in_words(high)}"
    return "band open" if isinf(high) else f"up to {duration_in_words(high)}"


def modulus_in_words(modulus: float, period_ticks: float, period: str, *, briefly: bool = False) -> str:
    """Write what oscillates: `0.93, oscillating, period about 14 h`, briefly `0.93, period 14 h`; `not ready`.

    `period` is the period in words, unused where `period_ticks` is NaN (nothing oscillates) or 2 (an alternation).
    """
    if isnan(modulus):
        return "not ready"
    if isnan(period_ticks):
        return f"{modulus:.2f}" if briefly else f"{modulus:.2f}, no oscillation seen"
    if period_ticks < SHORTEST_CYCLE:
        return f"{modulus:.2f}, alternating from tick to tick"
    return f"{modulus:.2f}, period {period}" if briefly else f"{modulus:.2f}, oscillating, period about {period}"


def cycle_in_words(view: SeriesView, *, briefly: bool = False) -> str:
    """Write modulus and period of a series."""
    period = duration_in_words(view.period_seconds)
    return modulus_in_words(view.estimates.modulus, view.estimates.period, period, briefly=briefly)


def fading_in_words(view: SeriesView) -> str:
    """Say how long a small knock takes to fade, oscillations included; empty where that is not known."""
    if not 0.0 < view.estimates.modulus < 1.0 or view.hides_recovery:
        return ""
    seconds = -view.cadence_seconds / log(view.estimates.modulus)
    known = "at least" if view.estimates.modulus >= max(view.thresholds, default=1.0) else "about"
    return f"a small knock fades to 1/e in {known} {duration_in_words(seconds)}"


def spread_in_words(spread: float) -> str:
    """Write a change of spread, a natural logarithm, as `variance 2.3 × its baseline`; `not ready` for NaN."""
    return "not ready" if isnan(spread) else f"variance {ratio_in_words(spread)} × its baseline"


def ratio_in_words(logarithm: float) -> str:
    """Write a ratio, given by its logarithm: `0.42`, `2.3`, `150`."""
    return number_in_words(exp(min(logarithm, 700.0)))


def budget_in_words(alpha: float) -> str:
    """Write an effective budget of false alarms: `alpha 0.0001 per tick, 1 false alarm in 10,000 ticks`."""
    seldom = f"1 false alarm in {number_in_words(1 / alpha)} ticks" if alpha > 0 else ""
    return f"alpha {alpha:.3g} per tick, {seldom}" if seldom else "alpha 0"


def alpha_in_words(alpha: float) -> str:
    """Write an effective budget where there is little room, as the share it is: `1/10,000`, `1/1.2 million`."""
    return f"1/{number_in_words(1 / alpha)}" if alpha > 0 else "0"


def picture_in_words(picture: Spectrogram, cadence_seconds: float = 0.0) -> str:
    """Say what a spectrogram shows to someone who cannot see it; only bands that lie apart are a change."""
    ready = np.flatnonzero(~np.isnan(picture.lag1))
    if not len(ready):
        return "No reading is ready yet."
    # The first readings after warm-up have the widest bands, with which nothing is ever a change.
    begin, end = ready[len(ready) // 10], ready[-1]
    rose, fell = picture.low[end] > picture.high[begin], picture.high[end] < picture.low[begin]
    verb = "rose" if rose else "fell" if fell else "changed no more than its band is wide,"
    length_us = cadence_seconds * MICROSECONDS
    times = {at: moment_in_words(int(picture.time_us[at]), length_us) for at in (begin, end)}
    first, last = (f"{picture.lag1[at]:.2f} ({times[at]})" for at in (begin, end))
    evidence = picture.evidence[end]
    stands = "" if isnan(evidence) else f" Evidence is {'past' if evidence >= 0 else 'below'} the alarm line."
    return f"Lag-1 autocorrelation {verb} from {first} to {last}.{stands}"


# A configuration repeats its rules for every entry of `series`; each of these takes some milliseconds.
lag1_delay, modulus_delay, spread_delay = cache(delay.lag1_delay), cache(delay.modulus_delay), cache(delay.spread_delay)

_RECOVERY_SHOWN = (1.0, 8.0, 64.0)
"""Recovery times, in ticks, for which the delays of a rule of kind slower are said."""
LONGEST_TICKS = 1e7
"""Delays beyond this are not worth a number."""


def span(ticks: float, cadence: Cadence, digits: int = 3) -> str:
    """Write a number of ticks as time, in the unit a person would take."""
    return span_in_words(ticks * cadence.seconds, digits)


def gap_in_words(plan: Plan) -> str:
    """Say what a gap longer than the longest does: `starts anew`, or what outlasts it."""
    return "starts anew" + (", but for scale, season and the baseline of the spread" if plan.keeps else "")


def describe_bank(plan: Plan, bank: BankSettings, cadence: Cadence) -> Iterator[str]:
    """Yield one line for each part of the instrument: how long it remembers, and the constants it uses."""
    preset = f"preset {bank.preset}" if bank.preset else ""
    memories = (
        ("half-life", plan.half_life, bank.half_life, preset or "by cadence"),
        ("level", plan.level_half_life, bank.level_half_life, preset or "by cadence"),
        ("scale", plan.scale_half_life, bank.scale_half_life, "two of the level"),
        ("spread", plan.spread_half_life, bank.spread_half_life, preset or "the half-life"),
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
    if preset:
        given, first, last = (plan.first_square + n for n in (plan.spread_given_from, 1, plan.baseline))
        past = " and past seasons" if plan.keeps else ""
        yield f"the spread is judged from value {given} of a season on, against values {first} to {last}{past}"
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
    tier = "" if rule.kind == SLOWER else f"{rule.severity} "  # of slower it is the label
    if rule.kind == RISE:
        yield f"{tier}{rule_in_words(rule.kind, rule.label)}: {calibration_in_words(rule)}"
        yield "  open while the variance is above that line, and no longer"
        return
    start = "; held, not alarmed, where it is so from the first verdict on" if rule.waits else ""
    yield f"{tier}{rule_in_words(rule.kind, rule.label)}: {_budget_in_words(rule, written, cadence)}{start}"
    if rule.kind == SLOWER:
        yield from _describe_halving(rule, cadence)
        yield from _describe_scales(plan, cadence)
        return
    total = sum(part.weight for part in rule.channels)
    for part in rule.channels:
        weight = part.weight / total
        name = f"{part.kind} with weight {weight:.2g}: " if len(rule.channels) > 1 else ""
        yield f"  {name}{_channel_in_words(plan, rule, part, weight, cadence)}"
    yield f"  ends on evidence of the opposite at {rule.clear:g}; bets {', '.join(f'{bet:g}' for bet in rule.bets)}"


def calibration_in_words(rule: PlanRule) -> str:
    """Say what is known of how often a rule of kind rise is wrong."""
    if rule.alpha != RISE_MEASURED:
        return f"no budget, no theorem, and not calibrated here; counts as alpha {rule.alpha:g} per tick"
    return (
        "calibrated: about 0.1 to 1.0 false alarms in the first season of a series, 0.1 to 1.2 in later ones; no "
        f"theorem; counts as alpha {rule.alpha:g} per tick"
    )


def _describe_halving(rule: PlanRule, cadence: Cadence) -> Iterator[str]:
    """Yield how soon a return rate that is halved is seen, and how long a record must be, by recovery time."""
    within = [span(ticks, cadence, 2) for ticks in _RECOVERY_SHOWN]
    delays = [halving.delay(ticks, rule.alpha) for ticks in _RECOVERY_SHOWN]
    bounds = ["over " if d >= halving.LONGEST * t else "" for d, t in zip(delays, _RECOVERY_SHOWN, strict=True)]
    seen = [f"{bound}{span(ticks, cadence, 2)}" for bound, ticks in zip(bounds, delays, strict=True)]
    long = [span(halving.record(ticks, rule.alpha), cadence, 2) for ticks in _RECOVERY_SHOWN]
    yield f"  a halving of the return rate is seen after about {_by_recovery(seen, within)}"
    yield f"  for that a record must last about {_by_recovery(long, within)}, with the halving in its middle"
    if rule.alpha < min(halving.ALPHAS):
        yield f"  both were measured down to alpha {min(halving.ALPHAS):g}; at this one it takes longer"


def _by_recovery(times: Sequence[str], within: Sequence[str]) -> str:
    """Put times beside the recovery times that they are for."""
    words = ("if it recovers within", *["if within"] * (len(within) - 1))
    return ", ".join(f"{time} {word} {own}" for time, word, own in zip(times, words, within, strict=True))


def first_verdict_after(plan: Plan) -> int:
    """Count the ticks with a value before the first verdict that any rule of a plan can give, if none is missing."""

    def of(rule: PlanRule) -> int:
        if rule.kind == RISE and plan.preset:
            return plan.first_square + plan.spread_given_from
        if rule.kind == SLOWER:
            return max(plan.ready_after, _scales_begin_after(plan) + FIRST_BET)
        if any(part.kind == "spread" or part.relative for part in rule.channels):
            return max(plan.ready_after, plan.learnt_after + plan.baseline_pairs + 1)
        return plan.ready_after

    return min(map(of, plan.rules), default=plan.ready_after)


def raised_in_words(plan: Plan) -> str:
    """Say that the warm-up that was asked for is shorter than the level takes; empty where it is what counts."""
    if plan.warm_up >= plan.level_warm_up + FEWEST_PAIRS or not plan.conditioning:
        return ""
    return (
        f"; the {plan.warm_up} asked for are fewer than the {plan.level_warm_up} of the level and {FEWEST_PAIRS} pairs"
    )


def _scales_begin_after(plan: Plan) -> int:
    """Count the ticks before the first value that a rule of kind slower reads: it needs no level, but a season."""
    return plan.learnt_after if plan.seasons or plan.is_comparison else 0


def _describe_scales(plan: Plan, cadence: Cadence) -> Iterator[str]:
    """Yield what the scales of a rule of kind slower are, and when each can first be judged."""
    scales = ", ".join(f"{span(scale, cadence)}" for scale in SCALES)
    begin = _scales_begin_after(plan)
    first = ", ".join(span(begin + FIRST_BET * scale, cadence) for scale in SCALES)
    yield f"  read at the tick and at means: {scales}; a first verdict at each after {first}, if nothing is missing"
    yield "  gathers evidence where the lag-1 autocorrelation is below 0.96; ends when it is again about as it was"


def _budget_in_words(rule: PlanRule, written: AlarmSettings, cadence: Cadence) -> str:
    """Say how the alpha that counts follows from the budget as it is written."""
    effective = f"alpha {rule.alpha:.3g} per tick = 1 false alarm per {span(1.0 / rule.alpha, cadence)} of each series"
    if written.alpha is not None and written.share == 1.0 and written.shared_by == 1:
        return effective
    source = f"budget {written.false_alarms}" if written.alpha is None else f"alpha {written.alpha:g}"
    share = f" x share {written.share:g}" if written.share != 1.0 else ""
    series = f" / {written.shared_by} series" if written.shared_by != 1 else ""
    uncut = written.uncut_alpha(cadence)
    most = "the most of this tier" if rule.kind == SLOWER else "more than a rule can hold"
    cut = f"alpha {uncut:.3g} per tick, {most}, cut to " if uncut > rule.alpha else ""
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
        seen = _example(part, rule, plan, cadence)
        return f"the threshold is {delta} {past}, or the bound of that if it is farther{seen}"
    threshold = part.threshold
    reached = (threshold - 1.0) / 2.0 if part.below else (threshold + 1.0) / 2.0
    level = plan.level_half_life if plan.conditioning else None
    if part.kind == "modulus":
        ticks = modulus_delay(threshold, reached, alpha, level_half_life=level, bets=rule.bets)
        return f"a rise of the modulus to {reached:.4g} is seen after {_about(ticks, alpha, cadence)}"
    seen_as = detrending.below(threshold, half_life.gain(level)) if part.below and level is not None else threshold
    ticks = lag1_delay(seen_as, reached, alpha, below=part.below, level_half_life=level, bets=rule.bets)
    rate = math.log(reached) / math.log(threshold) if threshold > 0.0 and not part.below else math.nan
    much = "" if math.isnan(rate) else f" ({rate:.2g} of the return rate at {threshold:g})"
    seen = f"a {'fall' if part.below else 'jump'} to {reached:.4g}{much} is seen after {_about(ticks, alpha, cadence)}"
    if len(rule.channels) > 1 or not -1.0 < (back := 2.0 * threshold - reached) < 1.0:
        return seen
    ticks = lag1_delay(seen_as, back, rule.clear, below=not part.below, level_half_life=level, bets=rule.bets)
    return f"{seen}; once it is back at {back:.4g}, the alarm ends within {_about(ticks, rule.clear, cadence)}"


def _example(part: PlanChannel, rule: PlanRule, plan: Plan, cadence: Cadence) -> str:
    """Say how soon a relative rule sees a halving of the return rate of a series whose past was at 0.5."""
    if part.below or not plan.conditioning or len(rule.channels) > 1:
        return ""
    past, step = 0.5, part.delta if part.delta is not None else 0.1
    ticks = lag1_delay(
        past + step, math.sqrt(past), rule.alpha, below=False, level_half_life=plan.level_half_life, bets=rule.bets
    )
    return f"; from a past at {past:g}, a halving of the return rate is seen after {_about(ticks, rule.alpha, cadence)}"


def _about(ticks: float, alpha: float, cadence: Cadence) -> str:
    """Say a delay; `roughly` where the alpha is larger than those at which it was measured to be within 25 %."""
    if math.isnan(ticks):
        nearest = f"within {1.0 - delay.STEEPEST:.1g} of 1 or -1"
        return f"a time that is not computed: once the level is taken out, what is left lies {nearest}"
    if ticks > LONGEST_TICKS:
        return "so long that it may as well not be there"
    about = "about" if alpha <= delay.LARGEST_ALPHA else "roughly"
    return f"{about} {span(ticks, cadence, 2)} = {float(f'{ticks:.2g}'):,.0f} ticks"
