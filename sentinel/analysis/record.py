"""The findings about one series, and sentences about it that claim no more than is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

from sentinel.analysis.short import FEWEST, WholeRecord
from sentinel.config import RISE, SHORTEST_SEASON_TICKS
from sentinel.domain.channels import JUMPED, UNKNOWN, Estimates
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.observation import STEP_US, Axis, NumberAxis
from sentinel.domain.spans import DAY, NEVER_US, moment_in_words, print_rounded, print_season
from sentinel.domain.states import Reason, State
from sentinel.pipeline.plan import Plan
from sentinel.tables.units import unit_of
from sentinel.text.claims import recovery_clause, seen_in_words
from sentinel.text.words import (
    REASONS,
    budget_in_words,
    calibration_in_words,
    first_verdict_after,
    gap_in_words,
    lag1_in_words,
    modulus_in_words,
    raised_in_words,
    rule_and_severity,
    spread_in_words,
)

E = TypeVar("E", AlarmEvent, SiteEvent)
URGENCY = (State.CRITICAL, State.WARNING, State.BLIND, State.WATCHING, State.LEARNING)
"""States, the most urgent first."""
NOTABLE_SPREAD = math.log(1.5)
"""Change of log variance, to either side, that a sentence mentions."""

_FOLLOWED = 50.0  # level half-lives


@dataclass(frozen=True, slots=True)
class Proposal:
    """A season found in a whole record that nobody declared."""

    text: str
    """Its period as settings write it: `1d`, `7d`, `1y`, `12.4h`; a step of a numbered axis is `1s` there."""
    ticks: float
    """Its period in ticks."""
    strength: float
    """Share of the variance of season and rest that is season, 0 to 1."""

    def is_followed(self, level_half_life: float) -> bool:
        """True if the conditioner's level follows it anyway, so that declaring it would only cost warm-up.

        Of a wave of 50 level half-lives the level leaves 3 % of the amplitude, of 20 a fifth, of 12 a half.
        """
        return self.ticks >= _FOLLOWED * level_half_life

    def period(self, axis: Axis, cadence_us: int) -> str:
        """Write its period, on a numbered axis in steps."""
        return f"{print_rounded(self.ticks * cadence_us / STEP_US)} steps" if axis.numbered else self.text

    def in_words(self, axis: Axis, cadence_us: int) -> str:
        """Write its period and strength."""
        return f"{self.period(axis, cadence_us)} (strength {self.strength:.2f})"


@dataclass(slots=True)
class SeriesRecord:
    """Findings about one series; times in microseconds on the series' own axis."""

    name: str
    axis: Axis
    id: int = -1
    unit: str = ""
    """Of its values; empty = not known."""
    plan: Plan | None = None
    """None if no cadence could be learnt."""
    target: str | None = None
    """The series of the input that is judged, where this one is its comparison with a counterpart."""
    thresholds: tuple[float, ...] = ()
    observations: int = 0
    ticks: int = 0
    missing: int = 0
    gaps: int = 0
    last_tick: int = -1
    first_us: int = 0
    last_us: int = 0
    end_us: int = 0
    state: State = State.LEARNING
    """State after the last tick; the reason and the estimates likewise."""
    reason: Reason = Reason.CADENCE
    estimates: Estimates[float] = UNKNOWN
    e_value: float = math.nan
    """Evidence by which series are ranked; its windows begin at `window_us`."""
    windows: int = 0
    """1 while the first one lasts, then 2."""
    window_us: int = NEVER_US
    cv: float = math.nan
    """Coefficient of variation at the end; NaN = not ready, or not computed."""
    max_evidence: float = math.nan
    """Largest evidence ever reached; NaN if it never was ready."""
    fill_values: tuple[float, ...] = ()
    """Values that are no measurements, though nobody declared them."""
    left_out: str = ""
    """Which values were taken as missing though nobody declared them, in words; empty if none was."""
    held: str = ""
    """Which rules are held at the end, and why, in words; empty if none is."""
    held_ticks: int = 0
    """Ticks at which a rule was held."""
    alarms: list[tuple[AlarmEvent, int | None]] = field(default_factory=list)
    """Each alarm, and when it was cleared; None while open."""
    first_values: list[float] = field(default_factory=list)
    """Those of the first ticks, NaN = missing: all there are of a short record."""
    whole: WholeRecord | None = None
    """Lag-1 of a record that ended before the bank read anything; it is no reading and leads to no verdict."""
    undeclared: tuple[Proposal, ...] = ()
    """Seasons found by looking at the whole record, for the reader; they change no verdict."""

    @property
    def shifted(self) -> bool:
        """True if numbers may be of a jump of the level: an open alarm is one-sided, or the variance far too large."""
        one_sided = any("one_sided" in alarm.remarks and cleared is None for alarm, cleared in self.alarms)
        return one_sided or self.estimates.spread > JUMPED

    def moment(self, time_us: int) -> str:
        """Write a moment in the words of the series' own axis; of ticks of a day or more it is a day."""
        if isinstance(self.axis, NumberAxis):
            return self.axis.moment_in_words(time_us)
        cadence_us = self.plan.cadence_us if self.plan is not None else 0
        if cadence_us < DAY:
            return moment_in_words(time_us)
        # A regular stamp lies in the middle of its tick: it is known whether this moment is one, or the end of a tick.
        is_end = (time_us - self.first_us) % cadence_us == cadence_us // 2
        return moment_in_words(time_us - cadence_us // 2 if is_end else time_us).partition(" ")[0]

    def units(self, duration_us: float) -> float:
        """Convert a duration to seconds, or to the owner's units on a numbered axis."""
        return float(self.axis.spans(np.array([duration_us]))[0])

    def length(self, ticks: float) -> str:
        """Write so many ticks as a duration, in the words of the series' own axis."""
        assert self.plan is not None
        return self.axis.in_words(ticks * self.plan.cadence_us)


def add_units(records: list[SeriesRecord], units: Mapping[str, str]) -> list[SeriesRecord]:
    """Give the records the units that the table tells, where the settings do not; a comparison has none."""
    for record in records:
        if record.target is None and not record.unit:
            record.unit = unit_of(units, record.name)
    return records


def match_cleared(events: Iterable[E]) -> list[tuple[E, int | None]]:
    """Match each raised alarm with the moment at which it was cleared; None while it is open."""
    both = list(events)
    cleared = {event.alarm_id: event.time_us for event in both if event.what == "cleared"}
    return [(event, cleared.get(event.alarm_id)) for event in both if event.what == "raised"]


def rank(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """Sort records, the most alarming first: by open alarms, the evidence ever reached, present state and name."""
    return sorted(
        records,
        key=lambda r: (
            -sum(cleared is None for _, cleared in r.alarms),
            math.inf if math.isnan(r.max_evidence) else -r.max_evidence,
            URGENCY.index(r.state),
            r.name,
        ),
    )


def describe(record: SeriesRecord) -> str:
    """Describe one series in plain words: what was seen, and where nothing could be seen; never what will come."""
    still: dict[str, list[AlarmEvent]] = {}
    for event, cleared in record.alarms:
        if cleared is None:
            still.setdefault(seen_in_words(event), []).append(event)
    past = [f"{claim} {_since_in_words(record, events)}" for claim, events in still.items()]
    if past:
        return f"{' and '.join(past)}; {_describe_now(record)}"
    if not record.alarms:
        return _describe_now(record)
    event, cleared = record.alarms[-1]
    assert cleared is not None
    others = len(record.alarms) - 1
    before = f" (and {others} alarm{'s' if others > 1 else ''} before)" if others else ""
    span = f"from {record.moment(event.time_us)} to {record.moment(cleared)}{before}"
    return f"{seen_in_words(event)} {span}; {_describe_now(record)}"


def _since_in_words(record: SeriesRecord, events: Sequence[AlarmEvent]) -> str:
    """Say since when the open alarms of one claim hold; of several tiers each with its severity."""
    if len(events) == 1:
        return f"from {record.moment(events[0].time_us)} on"
    return " and ".join(f"from {record.moment(event.time_us)} on ({event.severity})" for event in events)


def _describe_now(record: SeriesRecord) -> str:
    plan = record.plan
    if plan is None:
        return "not ready: at least two time stamps are needed to know the cadence"
    if record.state is State.BLIND:
        return f"blind at the end: {REASONS[record.reason]}{f'; {record.held}' if record.held else ''}"
    if record.state is State.LEARNING:
        if record.reason is Reason.GAP or record.gaps:
            return f"not ready at the end: started anew after a gap longer than {plan.max_gap:,} ticks"
        return f"{_not_ready(record, plan)}{_season_too_long(record, plan)}"
    quiet = "no alarm: " if not record.alarms or record.alarms[-1][1] is not None else ""
    if record.held:
        quiet = f"{record.held}; "
    if not plan.rules:
        quiet = "watched by no alarm rule: "
    seen = record.estimates
    more = _recovery_in_words(record) if math.isnan(seen.period) else _cycle_in_words(record)
    spread = f", {spread_in_words(seen.spread)}" if abs(seen.spread) >= NOTABLE_SPREAD else ""
    alone = f"; {REASONS[record.reason]}" if record.reason is Reason.COUNTERPART_MISSING else ""
    was = f"; held for {record.length(record.held_ticks)} in all" if record.held_ticks and not record.held else ""
    return f"{quiet}lag-1 {'' if quiet else 'now '}{lag1_in_words(seen)}{more}{spread}{alone}{was}"


def _not_ready(record: SeriesRecord, plan: Plan) -> str:
    """Say why there is no verdict, what one would need, and what can be read all the same."""
    first, values = first_verdict_after(plan), record.ticks - record.missing
    said = (
        f"not ready for a verdict: {values:,} value{'' if values == 1 else 's'}; the first one needs {first:,} in a row"
    )
    if plan.ready_after < first:
        said += f", {plan.ready_after:,} with a rule that has a threshold"
    if not math.isnan(record.estimates.lag1):
        return f"{said}; so far lag-1 is {lag1_in_words(record.estimates)}{_recovery_in_words(record)}"
    if record.whole is not None:
        whole = UNKNOWN._replace(lag1=record.whole.lag1, lag1_low=record.whole.low, lag1_high=record.whole.high)
        taken = "a straight line and the season" if plan.seasons else "a straight line"
        return f"{said}; less {taken}, the whole record has lag-1 {lag1_in_words(whole)}"
    return f"{said}; from {FEWEST} on lag-1 of the whole record is given" if values < FEWEST else said


def _season_too_long(record: SeriesRecord, plan: Plan) -> str:
    """Name the declared season for which the record is too short; empty if there is none."""
    longest = max(plan.seasons, default=0.0)
    if 2.0 * longest <= record.ticks:
        return ""
    shorter = "one" if record.ticks < longest else "two"
    length = seasons_in_words(record, plan, [longest])
    return f"; a season is learnt from two periods, and the record is shorter than {shorter} of {length}"


def seasons_in_words(record: SeriesRecord, plan: Plan, seasons: Iterable[float]) -> str:
    """Write seasons as they are declared: spans, or ticks on an axis of numbers."""
    if record.axis.numbered:
        return ", ".join(f"{ticks:g} ticks" for ticks in seasons)
    return ", ".join(print_season(round(ticks * plan.cadence_us)) for ticks in seasons)


def _recovery_in_words(record: SeriesRecord) -> str:
    """Write the recovery time; empty where lag-1 is not above 0 or does not tell it; unknown after a jump."""
    return recovery_clause(record.estimates, record.length, shifted=record.shifted)


def _cycle_in_words(record: SeriesRecord) -> str:
    """Write modulus and period of what oscillates."""
    modulus, period = record.estimates.modulus, record.estimates.period
    words = f", modulus {modulus_in_words(modulus, period, record.length(period))}"
    return f"{words}, fading to 1/e in about {record.length(-1 / math.log(modulus))}" if 0.0 < modulus < 1.0 else words


def season_hint(record: SeriesRecord) -> str:
    """Say what to do about seasons that nobody declared; empty where none was found."""
    if not record.undeclared:
        return ""
    assert record.plan is not None
    found = " and ".join(season.in_words(record.axis, record.plan.cadence_us) for season in record.undeclared)
    options = " ".join(f"--season {season.text}" for season in record.undeclared)
    written = " (a step is written 1s)" if record.axis.numbered else ""
    return f"an undeclared season of {found} was found in this record; declare it with {options}{written}"


class Choice(NamedTuple):
    """Settings that were chosen for some series before anything else was known of them."""

    series: tuple[str, ...]
    cadence: str
    lines: tuple[tuple[str, str], ...]
    """Term and value."""


def list_choices(records: Sequence[SeriesRecord]) -> list[Choice]:
    """List what was chosen, once for all series that share it; series without a cadence are left out."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    known: dict[tuple[Plan, Axis, tuple[float, ...]], tuple[str, tuple[tuple[str, str], ...]]] = {}
    for record in records:
        if record.plan is not None:
            rests_on = record.plan, record.axis, record.thresholds
            if rests_on not in known:
                known[rests_on] = cadence_in_words(record), tuple(_list_lines(record, record.plan))
            groups.setdefault(known[rests_on], []).append(record.name)
    return [Choice(tuple(names), *key) for key, names in groups.items()]


def cadence_in_words(record: SeriesRecord) -> str:
    """Write the length of one tick."""
    months = record.plan.months if record.plan is not None else 0
    return {0: record.length(1), 1: "1 month", 12: "1 year"}.get(months, f"{months} months")


def _list_lines(record: SeriesRecord, plan: Plan) -> Iterator[tuple[str, str]]:
    yield "half-life", f"{plan.half_life:g} ticks"
    yield "half-life of the level", f"{plan.level_half_life:g} ticks" if plan.conditioning else "not used"
    yield "first reading", f"after {plan.ready_after:,} valid ticks{raised_in_words(plan)}"
    yield "first verdict", f"after {first_verdict_after(plan):,} valid ticks"
    yield "longest gap", f"{plan.max_gap:,} ticks; after a longer one the series {gap_in_words(plan)}"
    asked = plan.cadence_us < DAY and not record.axis.numbered
    none = f"none{'; a daily cycle would look like slowing: name it with --season 1d' if asked else ''}"
    yield "season taken out", seasons_in_words(record, plan, plan.seasons) or none
    if plan.seasons_left_out:
        why = f"shorter than {SHORTEST_SEASON_TICKS} ticks of {cadence_in_words(record)}"
        yield "season left out", f"{seasons_in_words(record, plan, plan.seasons_left_out)}: {why}"
    yield "detectors", f"{len(record.thresholds)}, thresholds {record.thresholds[0]:.2f} to {record.thresholds[-1]:.2f}"
    for rule in plan.rules:
        words = rule_and_severity(rule.kind, rule.label, rule.severity)
        often = calibration_in_words(rule) if rule.kind == RISE else budget_in_words(rule.alpha)
        yield "alarm rule", f"{words}; {often}"
    if not plan.rules:
        yield "alarm rules", "none"
