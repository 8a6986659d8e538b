"""The report of an analysis: one self-contained HTML page, in words that claim no more than is known."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from sentinel import __version__
from sentinel.axis import STEP_US, Axis, NumberAxis
from sentinel.claims import evidence_against_budget, rule_in_words, seen_in_words
from sentinel.clock import MICROSECONDS
from sentinel.configuration import print_season
from sentinel.configuration.durations import DAY
from sentinel.configuration.judging import SHORTEST_SEASON_TICKS
from sentinel.events import AlarmEvent
from sentinel.fleet import LEVEL, e_bh
from sentinel.plan import Plan
from sentinel.season import Proposal
from sentinel.snapshot import Reason, State
from sentinel.wording import (
    NEVER_US,
    REASONS,
    REMARKS,
    alpha_in_words,
    band_in_words,
    budget_in_words,
    duration_in_words,
    modulus_in_words,
    moment_in_words,
    number_in_words,
    spread_in_words,
)

RaisedAndCleared = tuple[AlarmEvent, int | None]
"""An alarm, and when it was cleared; None while open."""

NOTABLE_SPREAD = math.log(1.5)
"""Change of log variance, to either side, that a sentence mentions."""
_URGENCY = (State.CRITICAL, State.WARNING, State.BLIND, State.WATCHING, State.LEARNING)


@dataclass(slots=True)
class SeriesRecord:
    """What an analysis found out about one series; times in microseconds on the series' own axis."""

    name: str
    axis: Axis
    id: int = -1
    plan: Plan | None = None
    """None if no cadence could be learnt."""
    target: str | None = None
    """Of a paired series, the one of the two that is judged."""
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
    """State after the last tick; reason, lag1, low and high likewise."""
    reason: Reason = Reason.CADENCE
    lag1: float = math.nan
    low: float = math.nan
    high: float = math.nan
    modulus: float = math.nan
    period: float = math.nan
    """In ticks; NaN where nothing oscillates."""
    spread: float = math.nan
    e_value: float = math.nan
    """By which series are ranked, of the windows that begin at `window_us`."""
    windows: int = 0
    """1 while the first one lasts, then 2."""
    window_us: int = NEVER_US
    max_evidence: float = math.nan
    """Largest evidence ever reached; NaN if it never was ready."""
    alarms: list[RaisedAndCleared] = field(default_factory=list)
    undeclared: tuple[Proposal, ...] = ()
    """Seasons found by looking at the whole record, for a reader; they changed nothing."""

    def moment(self, time_us: int) -> str:
        """A moment in the words of the series' own axis."""
        if isinstance(self.axis, NumberAxis):
            return f"{self.axis.numbers(np.array([time_us]))[0]:.10g}"
        return moment_in_words(time_us)

    def length(self, duration_us: float) -> str:
        """A duration in the words of the series' own axis."""
        if not isinstance(self.axis, NumberAxis):
            return duration_in_words(duration_us / MICROSECONDS)
        steps = duration_us / STEP_US * self.axis.step
        number = f"{steps:.3g}" if abs(steps) < 100 else f"{steps:,.0f}"
        return f"{number} step{'' if number == '1' else 's'}" if self.axis.step == 1 else f"{number} units of time"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for some series before anything else was known of them."""

    series: tuple[str, ...]
    cadence: str
    lines: tuple[tuple[str, str], ...]
    """Term and value."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report that only some analyses have, the same on the page and on the terminal."""

    title: str
    words: Sequence[str] = ()
    tables: Sequence[Sequence[Sequence[str]]] = ()
    """Rows of cells; the first row names the columns."""
    picture: str = ""
    """Drawn as SVG, for the page only."""
    limits: Sequence[str] = ()
    """What it can and cannot say."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that stands on the page."""

    title: str
    inputs: Sequence[str]
    records: Sequence[SeriesRecord]
    pictures: dict[str, bytes]
    """PNG by series name."""
    observations: int
    duplicates: int
    left_out: dict[str, int]
    left_columns: Sequence[str]
    complaints: Sequence[str]
    conditioning: bool
    sections: Sequence[Section] = ()
    remarks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By series: what kind of record it is, looking back at all of it."""


def ranked(records: Sequence[SeriesRecord]) -> list[SeriesRecord]:
    """The most alarming first: by the evidence ever reached, then by present state and name."""
    return sorted(
        records,
        key=lambda r: (
            -len([alarm for alarm in r.alarms if alarm[1] is None]),
            math.inf if math.isnan(r.max_evidence) else -r.max_evidence,
            _URGENCY.index(r.state),
            r.name,
        ),
    )


def sentence(record: SeriesRecord) -> str:
    """One series in plain words: what was seen, and where nothing could be seen; never what will come."""
    still = [event for event, cleared in record.alarms if cleared is None]
    if still:
        begun = " and ".join(f"{seen_in_words(event)} from {record.moment(event.time_us)} on" for event in still)
        return f"{begun}; {_now(record)}"
    past = _past(record)
    return f"{past}; {_now(record)}" if past else _now(record)


def _past(record: SeriesRecord) -> str:
    """Alarms that have ended, in words; empty if there were none."""
    if not record.alarms:
        return ""
    event, cleared = record.alarms[-1]
    assert cleared is not None
    spell = f"{seen_in_words(event)} from {record.moment(event.time_us)} to {record.moment(cleared)}"
    others = len(record.alarms) - 1
    return f"{spell} (and {others} alarm{'s' if others > 1 else ''} before)" if others else spell


def _now(record: SeriesRecord) -> str:
    """The state after the last tick."""
    if record.plan is None:
        return "not ready: at least two time stamps are needed to know the cadence"
    if record.state is State.BLIND:
        return f"blind at the end: {REASONS[record.reason]}"
    if record.state is State.LEARNING:
        if record.reason is Reason.GAP or record.gaps:
            return f"not ready at the end: started anew after a gap longer than {_max_gap(record)}"
        return f"not ready: {record.ticks - record.missing:,} valid ticks, {record.plan.ready_after:,} are needed"
    quiet = "no alarm" if not record.alarms or record.alarms[-1][1] is not None else ""
    if not record.plan.rules:
        quiet = "watched by no alarm rule"
    band = band_in_words(record.lag1, record.low, record.high)
    numbers = f"lag-1 {'' if quiet else 'now '}{band}{_recovery(record)}{_cycle(record)}{_change(record)}"
    alone = f"; {REASONS[record.reason]}" if record.reason is Reason.REFERENCE_MISSING else ""
    return f"{quiet}: {numbers}{alone}" if quiet else f"{numbers}{alone}"


def _recovery(record: SeriesRecord) -> str:
    """Recovery time in words, with what stands before it; empty where lag-1 is not above 0 or does not tell it."""
    assert record.plan is not None
    if not math.isnan(record.period):
        return ""
    at_least = record.high >= 1.0
    lag1 = record.low if at_least else record.lag1
    if not 0.0 < lag1 < 1.0:
        return ""
    length = record.length(-record.plan.cadence_us / math.log(lag1))
    return f", recovery time {'at least' if at_least else 'about'} {length}"


def _cycle(record: SeriesRecord) -> str:
    """Modulus and period in words, with what stands before them; empty where nothing oscillates."""
    assert record.plan is not None
    if math.isnan(record.period):
        return ""
    length = record.length(record.period * record.plan.cadence_us)
    words = f", modulus {modulus_in_words(record.modulus, record.period, length)}"
    if not 0.0 < record.modulus < 1.0:
        return words
    return f"{words}, fading to 1/e in about {record.length(-record.plan.cadence_us / math.log(record.modulus))}"


def _change(record: SeriesRecord) -> str:
    """A change of spread in words, with what stands before it; empty where it is small or not known."""
    return f", {spread_in_words(record.spread)}" if abs(record.spread) >= NOTABLE_SPREAD else ""


def _max_gap(record: SeriesRecord) -> str:
    assert record.plan is not None
    return f"{record.plan.max_gap:,} ticks"


def season_hint(record: SeriesRecord) -> str:
    """What to do about seasons that nobody declared; empty where none was found."""
    if not record.undeclared:
        return ""
    found = " and ".join(f"{season.text} (strength {season.strength:.2f})" for season in record.undeclared)
    options = " ".join(f"--season {season.text}" for season in record.undeclared)
    return f"an undeclared season of {found} was found in this record; declare it with {options}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series stands among all."""

    record: SeriesRecord
    rank: int
    discovered: bool
    level: float
    """Smallest false discovery rate at which it stands out."""


def fleet(records: Sequence[SeriesRecord]) -> list[Standing]:
    """All series that have an e-value, the largest first; a ranking needs two."""
    found = e_bh(np.array([record.e_value for record in records]))
    standings = [
        Standing(record, int(rank), bool(discovered), float(level))
        for record, discovered, rank, level in zip(records, *found, strict=True)
        if rank
    ]
    return sorted(standings, key=lambda one: (one.rank, one.record.name)) if len(standings) > 1 else []


def choices(records: Sequence[SeriesRecord]) -> list[Choice]:
    """What was chosen, once for all series that share it; series without a cadence are left out."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for record in records:
        if record.plan is not None:
            groups.setdefault((_cadence(record), tuple(_choice(record))), []).append(record.name)
    return [Choice(tuple(names), cadence, lines) for (cadence, lines), names in groups.items()]


def _cadence(record: SeriesRecord) -> str:
    assert record.plan is not None
    months = record.plan.months
    if months:
        return {1: "1 month", 12: "1 year"}.get(months, f"{months} months")
    return record.length(record.plan.cadence_us)


def _choice(record: SeriesRecord) -> Iterator[tuple[str, str]]:
    plan = record.plan
    assert plan is not None
    yield "half-life", f"{plan.half_life:g} ticks"
    yield "half-life of the level", f"{plan.level_half_life:g} ticks" if plan.conditioning else "not used"
    yield "warm-up", f"{plan.ready_after:,} valid ticks"
    yield "longest gap", f"{plan.max_gap:,} ticks; after a longer one the series starts anew"

    def lengths(seasons: Iterable[float]) -> str:
        return ", ".join(
            f"{ticks:g} ticks" if record.axis.numbered else print_season(round(ticks * plan.cadence_us))
            for ticks in seasons
        )

    hint = "; a daily cycle would look like slowing: name it with --season 1d" if plan.cadence_us < DAY else ""
    yield "season taken out", lengths(plan.seasons) or f"none{'' if record.axis.numbered else hint}"
    if plan.seasons_left_out:
        why = f"shorter than {SHORTEST_SEASON_TICKS} ticks of {_cadence(record)}"
        yield "season left out", f"{lengths(plan.seasons_left_out)}: {why}"
    yield "detectors", f"{len(record.thresholds)}, thresholds {record.thresholds[0]:.2f} to {record.thresholds[-1]:.2f}"
    for rule in plan.rules:
        yield f"alarm rule ({rule.severity})", f"{rule_in_words(rule.kind, rule.label)}; {budget_in_words(rule.alpha)}"
    if not plan.rules:
        yield "alarm rules", "none"


def write(report: Report, path: Path) -> None:
    """Write the page; it needs no other file and no network."""
    environment = Environment(
        loader=PackageLoader("sentinel", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "thousands": lambda number: f"{number:,}", "amount": number_in_words, "alpha": alpha_in_words,
    }  # fmt: skip
    order = ranked(report.records)
    page = environment.get_template("report.html").render(
        report=report,
        version=__version__,
        records=order,
        sentence=sentence,
        season_hint=season_hint,
        choices=choices(report.records),
        pictures={name: base64.b64encode(png).decode("ascii") for name, png in report.pictures.items()},
        pictured=[record for record in order if record.name in report.pictures],
        fleet=fleet(report.records),
        fdr=LEVEL,
        alarms=[(r, event, cleared) for r in order for event, cleared in r.alarms],
        counts=[(state, sum(record.state is state for record in order)) for state in _URGENCY],
        band=band_in_words,
        rule=rule_in_words,
        against_budget=evidence_against_budget,
        remarks=REMARKS,
    )
    path.write_text(page, encoding="utf-8", errors="replace")
