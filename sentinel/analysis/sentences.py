"""Sentences about a record that claim no more than is known: what was seen, and what was chosen before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sentinel.analysis.record import SeriesRecord
from sentinel.config import SHORTEST_SEASON_TICKS
from sentinel.domain.spans import DAY
from sentinel.domain.spelling import print_season
from sentinel.domain.states import Reason, State
from sentinel.text.claims import rule_in_words, seen_in_words
from sentinel.text.words import REASONS, band_in_words, budget_in_words, modulus_in_words, spread_in_words

NOTABLE_SPREAD = math.log(1.5)
"""Change of log variance, to either side, that a sentence mentions."""


def describe(record: SeriesRecord) -> str:
    """Describe one series in plain words: what was seen, and where nothing could be seen; never what will come."""
    still = [event for event, cleared in record.alarms if cleared is None]
    if still:
        begun = " and ".join(f"{seen_in_words(event)} from {record.moment(event.time_us)} on" for event in still)
        return f"{begun}; {_describe_now(record)}"
    past = _describe_past(record)
    return f"{past}; {_describe_now(record)}" if past else _describe_now(record)


def _describe_past(record: SeriesRecord) -> str:
    """Describe the alarms that have ended; empty if there were none."""
    if not record.alarms:
        return ""
    event, cleared = record.alarms[-1]
    assert cleared is not None
    spell = f"{seen_in_words(event)} from {record.moment(event.time_us)} to {record.moment(cleared)}"
    others = len(record.alarms) - 1
    return f"{spell} (and {others} alarm{'s' if others > 1 else ''} before)" if others else spell


def _describe_now(record: SeriesRecord) -> str:
    """Describe the state after the last tick."""
    if record.plan is None:
        return "not ready: at least two time stamps are needed to know the cadence"
    if record.state is State.BLIND:
        return f"blind at the end: {REASONS[record.reason]}"
    if record.state is State.LEARNING:
        if record.reason is Reason.GAP or record.gaps:
            return f"not ready at the end: started anew after a gap longer than {record.plan.max_gap:,} ticks"
        needed = f"{record.ticks - record.missing:,} valid ticks, {record.plan.ready_after:,} are needed"
        return f"not ready: {needed}{_season_too_long(record)}"
    quiet = "no alarm" if not record.alarms or record.alarms[-1][1] is not None else ""
    if not record.plan.rules:
        quiet = "watched by no alarm rule"
    seen = record.estimates
    more = f"{_recovery_in_words(record)}{_cycle_in_words(record)}{_spread_in_words(record)}"
    numbers = f"lag-1 {'' if quiet else 'now '}{band_in_words(seen.lag1, seen.lag1_low, seen.lag1_high)}{more}"
    alone = f"; {REASONS[record.reason]}" if record.reason is Reason.COUNTERPART_MISSING else ""
    return f"{quiet}: {numbers}{alone}" if quiet else f"{numbers}{alone}"


def _season_too_long(record: SeriesRecord) -> str:
    """Name the declared season for which the record is too short; empty if there is none."""
    assert record.plan is not None
    longest = max(record.plan.seasons, default=0.0)
    if 2.0 * longest <= record.ticks:
        return ""
    shorter = "one" if record.ticks < longest else "two"
    length = _seasons_in_words(record, longest)
    return f"; a season is learnt from two periods, and the record is shorter than {shorter} of {length}"


def _seasons_in_words(record: SeriesRecord, *seasons: float) -> str:
    """Write seasons as they are declared: spans, or ticks on an axis of numbers."""
    assert record.plan is not None
    cadence_us, numbered = record.plan.cadence_us, record.axis.numbered
    return ", ".join(f"{ticks:g} ticks" if numbered else print_season(round(ticks * cadence_us)) for ticks in seasons)


def _recovery_in_words(record: SeriesRecord) -> str:
    """Write the recovery time; empty where lag-1 is not above 0 or does not tell it."""
    assert record.plan is not None
    if not math.isnan(record.estimates.period):
        return ""
    at_least = record.estimates.lag1_high >= 1.0
    lag1 = record.estimates.lag1_low if at_least else record.estimates.lag1
    if not 0.0 < lag1 < 1.0:
        return ""
    length = record.length(-record.plan.cadence_us / math.log(lag1))
    return f", recovery time {'at least' if at_least else 'about'} {length}"


def _cycle_in_words(record: SeriesRecord) -> str:
    """Write modulus and period; empty where nothing oscillates."""
    assert record.plan is not None
    modulus, period = record.estimates.modulus, record.estimates.period
    if math.isnan(period):
        return ""
    words = f", modulus {modulus_in_words(modulus, period, record.length(period * record.plan.cadence_us))}"
    if not 0.0 < modulus < 1.0:
        return words
    return f"{words}, fading to 1/e in about {record.length(-record.plan.cadence_us / math.log(modulus))}"


def _spread_in_words(record: SeriesRecord) -> str:
    """Write a change of spread; empty where it is small or not known."""
    spread = record.estimates.spread
    return f", {spread_in_words(spread)}" if abs(spread) >= NOTABLE_SPREAD else ""


def season_hint(record: SeriesRecord) -> str:
    """Say what to do about seasons that nobody declared; empty where none was found."""
    if not record.undeclared:
        return ""
    found = " and ".join(f"{season.text} (strength {season.strength:.2f})" for season in record.undeclared)
    options = " ".join(f"--season {season.text}" for season in record.undeclared)
    return f"an undeclared season of {found} was found in this record; declare it with {options}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for some series before anything else was known of them."""

    series: tuple[str, ...]
    cadence: str
    lines: tuple[tuple[str, str], ...]
    """Term and value."""


def list_choices(records: Sequence[SeriesRecord]) -> list[Choice]:
    """List what was chosen, once for all series that share it; series without a cadence are left out."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for record in records:
        if record.plan is not None:
            groups.setdefault((cadence_in_words(record), tuple(_list_lines(record))), []).append(record.name)
    return [Choice(tuple(names), cadence, lines) for (cadence, lines), names in groups.items()]


def cadence_in_words(record: SeriesRecord) -> str:
    """Write the length of one tick."""
    assert record.plan is not None
    months = record.plan.months
    if months:
        return {1: "1 month", 12: "1 year"}.get(months, f"{months} months")
    return record.length(record.plan.cadence_us)


def _list_lines(record: SeriesRecord) -> Iterator[tuple[str, str]]:
    plan = record.plan
    assert plan is not None
    yield "half-life", f"{plan.half_life:g} ticks"
    yield "half-life of the level", f"{plan.level_half_life:g} ticks" if plan.conditioning else "not used"
    yield "warm-up", f"{plan.ready_after:,} valid ticks"
    yield "longest gap", f"{plan.max_gap:,} ticks; after a longer one the series starts anew"

    hint = "; a daily cycle would look like slowing: name it with --season 1d" if plan.cadence_us < DAY else ""
    yield "season taken out", _seasons_in_words(record, *plan.seasons) or f"none{'' if record.axis.numbered else hint}"
    if plan.seasons_left_out:
        why = f"shorter than {SHORTEST_SEASON_TICKS} ticks of {cadence_in_words(record)}"
        yield "season left out", f"{_seasons_in_words(record, *plan.seasons_left_out)}: {why}"
    yield "detectors", f"{len(record.thresholds)}, thresholds {record.thresholds[0]:.2f} to {record.thresholds[-1]:.2f}"
    for rule in plan.rules:
        yield f"alarm rule ({rule.severity})", f"{rule_in_words(rule.kind, rule.label)}; {budget_in_words(rule.alpha)}"
    if not plan.rules:
        yield "alarm rules", "none"
