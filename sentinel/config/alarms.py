"""Settings of the alarms: what each rule claims, and how many false alarms it may raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from sentinel.config.values import Fault, Part, Pattern, WrittenBudget
from sentinel.domain.spans import YEAR, Budget, Cadence

LARGEST_ALPHA = 0.1
"""Above this a rule would alarm every few ticks; the betting needs alpha well below 1."""
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = -0.98, 0.99
"""The thresholds of the bank end about there, and no record is long enough to tell more apart."""
RELATIVE = "relative"
SLOWER: Final = "slower"
RISE: Final = "rise"
FLEET: Final = "fleet"
LARGEST_PER_TICK = {"warning": 1e-3, "critical": 1e-4}
"""Most that a budget in calendar time comes to, for rules of kind slower: records of yearly values, or without a
calendar, would else spend all of it at one tick."""
BETS = (0.1, 0.3, 0.8)
CLEAR = 1e-3
RATIO = 1.5
RISE_RATIO = 2.72
_ALLOWED = f"a number from {LOWEST_THRESHOLD:g} to {HIGHEST_THRESHOLD:g}"


def _threshold(value: object) -> float | str | None:
    if value is None or value == RELATIVE:
        return RELATIVE if value == RELATIVE else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if LOWEST_THRESHOLD <= value <= HIGHEST_THRESHOLD:
            return float(value)
        if -1.0 < value < 1.0:
            raise ValueError(f"{_ALLOWED} is allowed; the bank ends there, and no record is long enough to tell beyond")
    raise ValueError(f"{_ALLOWED}, or the word {RELATIVE}, is allowed")


def _sharing(value: object) -> int | str:
    if value == FLEET:
        return FLEET
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"a whole number, at least 1, or the word {FLEET}, is allowed")


Threshold: TypeAlias = Annotated[
    float | str | None,
    PlainValidator(_threshold),
    WithJsonSchema({"anyOf": [
        {"type": "number", "minimum": LOWEST_THRESHOLD, "maximum": HIGHEST_THRESHOLD}, {"const": RELATIVE},
        {"type": "null"},
    ]}),
]  # fmt: skip
Sharing: TypeAlias = Annotated[
    int | str,
    PlainValidator(_sharing),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": FLEET}]}),
]
Bet: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Kind: TypeAlias = Literal["lag1", "modulus", "spread"]
Side: TypeAlias = Literal["above", "below"]
Delta: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Ratio: TypeAlias = Annotated[float, Field(ge=1, le=1000)]


class ChannelSettings(Part):
    """One of the claims that a weighted rule puts together."""

    kind: Kind = "lag1"
    """Number that evidence is gathered on: lag-1 autocorrelation, modulus of an oscillation, spread."""
    threshold: Threshold = None
    """lag1 and modulus: where evidence begins to grow; a number, or `relative` to the series' own past (lag1)."""
    side: Side = "above"
    """lag1: claim that it is above the threshold, or below (falling towards -1)."""
    delta: Delta | None = None
    """threshold relative: how far from the baseline period; null = 0.1, and 0.05 where that is above 0.7."""
    ratio: Ratio | None = None
    """spread: variance ratio to the baseline period above which evidence grows; null = 1.5."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of this channel in the rule, relative to the others."""

    def _conflicts(self) -> Iterator[Fault]:
        return _channel_conflicts(self)

    @property
    def label(self) -> str:
        """Name of the claim within its kind: `0.8`, `below -0.5`, `relative`, `1.5x`."""
        return _channel_label(self)


class AlarmSettings(Part):
    """A rule: alarm when a claim has gathered evidence, at a stated rate of false alarms."""

    match: Pattern = "*"
    """Series the rule is for, by name with * ? [abc] or by labels; every rule that matches applies."""
    kind: Literal["slower", "lag1", "modulus", "spread", "rise", "weighted"] = "lag1"
    """The sign that evidence is gathered on: slower = it returns more slowly than it did, at any rate; lag1 = more
    slowly than a threshold says; modulus = an oscillation that dies out ever more slowly; spread = larger fluctuations;
    rise = the spread itself is above a ratio, without evidence and without a budget; weighted = several of them
    together (`channels`)."""
    threshold: Threshold = None
    """Lag-1 autocorrelation, or modulus, at which evidence begins to grow; or `relative` to the series' own past."""
    side: Side = "above"
    """lag1: above the threshold, or below it (falling towards -1)."""
    delta: Delta | None = None
    """threshold relative: how far from the baseline period; null = 0.1, and 0.05 where that is above 0.7."""
    ratio: Ratio | None = None
    """spread: variance ratio to the baseline period above which evidence grows; null = 1.5. rise: variance ratio to the
    first values above which the alarm is open; null = 2.72."""
    channels: tuple[ChannelSettings, ...] = ()
    """weighted: the claims whose evidence is averaged."""
    at_start: Literal["state", "alarm"] | None = None
    """Rules with a number as threshold: where the claim has held from the first verdict on (sampled fast, or already
    slow), it is shown as a state and raises no alarm, or it is an alarm; null = state."""
    alpha: Annotated[float, Field(gt=0, le=LARGEST_ALPHA)] | None = None
    """Budgeted false alarms per tick; either this or false_alarms."""
    false_alarms: WrittenBudget | None = None
    """Budgeted false alarms in calendar time, such as 1 per 10y; either this or alpha."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Part of that budget which this rule takes: a warning and a critical rule may share one."""
    shared_by: Sharing = 1
    """Number of series that share the budget; each gets an equal part. fleet = all that the rule is for: the daemon
    counts them as they appear, and rounds up to a power of two."""
    severity: Literal["warning", "critical"] = "warning"
    """State of the series while the alarm is open."""
    clear: Annotated[float, Field(gt=0, le=LARGEST_ALPHA)] = CLEAR
    """The alarm ends when the opposite claim has gathered evidence at this alpha."""
    bets: Annotated[tuple[Bet, ...], Field(min_length=1, max_length=8)] = BETS
    """Shares of its wealth that the gambler stakes; small ones see small changes, large ones fast."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.kind == RISE:
            yield from _rise_conflicts(self)
            return
        if self.alpha is None and self.false_alarms is None:
            yield Fault((), "no budget came; alpha: 1e-4 (per tick) or false_alarms: 1 per 10y is needed")
        if self.alpha is not None and self.false_alarms is not None:
            both = f"{self.false_alarms} came beside alpha {self.alpha:g}"
            yield Fault(("false_alarms",), f"{both}; only one of the two is allowed")
        if self.kind == SLOWER:
            yield from _slower_conflicts(self)
        else:
            yield from _weighted_conflicts(self) if self.kind == "weighted" else _channel_conflicts(self)
            yield from _at_start_conflicts(self)

    @property
    def label(self) -> str:
        """Name of the rule within its kind: `0.8`, `below -0.5`, `relative`, `1.5x`, `warning`; of all channels if
        weighted."""
        if self.kind == "weighted":
            return " + ".join(f"{part.kind} {part.label}" for part in self.channels)
        return self.severity if self.kind == SLOWER else _channel_label(self)

    def parts(self) -> tuple[ChannelSettings, ...]:
        """The channels; the rule itself as one unless it is weighted."""
        if self.kind == "weighted":
            return self.channels
        own = {key: getattr(self, key) for key in ("kind", "threshold", "side", "delta", "ratio")}
        return (ChannelSettings(**own),)

    @property
    def is_absolute(self) -> bool:
        """True if it holds a series against numbers of its own, and nothing against the series' own past."""
        parts = self.channels if self.kind == "weighted" else (self,)
        return all(part.kind in ("lag1", "modulus") and part.threshold != RELATIVE for part in parts)

    @property
    def waits(self) -> bool:
        """True if a claim that has held from the first verdict on is a state, not an alarm."""
        return self.is_absolute and self.at_start != "alarm"

    def alpha_per_tick(self, cadence: Cadence) -> float:
        """Effective alpha: budgeted false alarms of this rule per series and tick, at most `LARGEST_ALPHA`.

        A budget in calendar time of a rule of kind `slower` never comes to more than its tier's `LARGEST_PER_TICK`.
        """
        if self.kind == RISE:
            return LARGEST_ALPHA
        tier = self.kind == SLOWER and self.false_alarms is not None
        return min(self.uncut_alpha(cadence), LARGEST_PER_TICK[self.severity] if tier else LARGEST_ALPHA)

    def without_calendar(self) -> AlarmSettings:
        """Return the rule for ticks that are no time: one of kind slower then has the most a tick may have."""
        if self.kind != SLOWER or self.false_alarms is None:
            return self
        return self.model_copy(update={"false_alarms": None, "alpha": LARGEST_PER_TICK[self.severity]})

    def uncut_alpha(self, cadence: Cadence) -> float:
        """The budget per series and tick, as it is written; that of a whole fleet while its series are not counted.

        A rule of kind `rise` has no budget: it counts with the most that a rule may have, unless it was measured.
        """
        if self.kind == RISE:
            return LARGEST_ALPHA
        alpha = self.false_alarms.alpha_per_tick(cadence) if self.false_alarms is not None else self.alpha
        assert alpha is not None  # a rule has either of them
        return alpha * self.share / (self.shared_by if isinstance(self.shared_by, int) else 1)


def _channel_label(part: ChannelSettings | AlarmSettings) -> str:
    """Name a claim within its kind; two rules of one series never share kind and label."""
    if part.kind in ("spread", RISE):
        return f"{part.ratio or (RISE_RATIO if part.kind == RISE else RATIO):g}x"
    threshold = RELATIVE if part.threshold == RELATIVE else f"{part.threshold:g}"
    delta = f" {part.delta:g}" if part.delta is not None else ""
    return f"{'below ' if part.side == 'below' else ''}{threshold}{delta}"


def _channel_conflicts(part: ChannelSettings | AlarmSettings) -> Iterator[Fault]:
    """Keys that do not belong to a claim of this kind, or that it needs."""
    kind, threshold = part.kind, part.threshold
    if kind in ("lag1", "modulus") and threshold is None:
        allowed = "0.8 or relative" if kind == "lag1" else "0.9"
        yield Fault(("threshold",), f"nothing came; this key is required, such as {allowed}")
    if kind == "modulus" and threshold is not None and not (isinstance(threshold, float) and threshold > 0.0):
        yield Fault(("threshold",), f"{threshold}; a modulus above 0, up to {HIGHEST_THRESHOLD:g}, is allowed")
    if kind == "spread" and threshold is not None:
        yield Fault(("threshold",), f"{threshold}; a spread rule has a ratio instead, such as ratio: 1.5")
    if part.side == "below" and kind != "lag1":
        yield Fault(("side",), f"below; only a lag1 rule has two sides, this one is {kind}")
    if part.delta is not None and threshold != RELATIVE:
        yield Fault(("delta",), f"{part.delta:g}; only a rule with threshold: relative has a delta")
    if part.ratio is not None and kind != "spread":
        yield Fault(("ratio",), f"{part.ratio:g}; only a spread rule has a ratio, this one is {kind}")
    if isinstance(part, AlarmSettings) and part.channels:
        yield Fault(("channels",), f"{len(part.channels)} came; only a weighted rule has channels, this one is {kind}")


def _slower_conflicts(rule: AlarmSettings) -> Iterator[Fault]:
    yield from _keys_without_meaning(rule, "a rule of kind slower has none: it reads the series itself")
    if rule.at_start is not None:
        why = "a rule of kind slower compares with the series' own past, so that nothing holds at the start"
        yield Fault(("at_start",), f"{rule.at_start}; {why}; leave it out")
    if rule.channels:
        yield Fault(("channels",), f"{len(rule.channels)} came; only a weighted rule has channels, this one is slower")
    for key, fixed in (("clear", CLEAR), ("bets", BETS)):
        if (came := getattr(rule, key)) != fixed:
            yield Fault((key,), f"{came} came; a rule of kind slower ends and bets in its own way, leave it out")


def _at_start_conflicts(rule: AlarmSettings) -> Iterator[Fault]:
    if rule.at_start is not None and not rule.is_absolute:
        why = "compares with the series' own past, so that nothing holds at the start; leave it out"
        yield Fault(("at_start",), f"{rule.at_start}; this rule {why}")


def _rise_conflicts(rule: AlarmSettings) -> Iterator[Fault]:
    no_theorem = "a rule of kind rise has no budget: how often it is wrong was measured, see docs/counterparts.md"
    for key, what in (("alpha", rule.alpha), ("false_alarms", rule.false_alarms)):
        if what is not None:
            yield Fault((key,), f"{what} came; {no_theorem}; leave it out")
    for key in ("threshold", "delta"):
        if (came := getattr(rule, key)) is not None:
            yield Fault((key,), f"{came}; a rule of kind rise has a ratio instead, such as ratio: {RISE_RATIO:g}")
    if rule.ratio is not None and rule.ratio <= 1.0:
        yield Fault(("ratio",), f"{rule.ratio:g}; a ratio above 1 is needed: the alarm is open while it is exceeded")
    unused: dict[str, object] = {
        "side": "above", "channels": (), "at_start": None, "clear": CLEAR, "bets": BETS, "share": 1.0, "shared_by": 1,
    }  # fmt: skip
    for key, fixed in unused.items():
        if (came := getattr(rule, key)) != fixed:
            yield Fault((key,), f"{came} came; a rule of kind rise holds a number against a line, leave it out")


def _weighted_conflicts(rule: AlarmSettings) -> Iterator[Fault]:
    if len(rule.channels) < 2:
        yield Fault(("channels",), f"{len(rule.channels)} came; a weighted rule needs at least two channels")
    claims = [f"{part.kind} {part.label}" for part in rule.channels]
    for position, claim in enumerate(claims):
        if claim in claims[:position]:
            message = f"{claim} is a channel already; once is allowed, with the weight of both"
            yield Fault(("channels", position), message)
    yield from _keys_without_meaning(rule, "a weighted rule has it in its channels")


def _keys_without_meaning(rule: AlarmSettings, why: str) -> Iterator[Fault]:
    """Find keys of a single claim in a rule that has none."""
    for key in ("threshold", "delta", "ratio"):
        if getattr(rule, key) is not None:
            yield Fault((key,), f"{getattr(rule, key)}; {why}")
    if rule.side == "below":
        yield Fault(("side",), f"below; {why}")


def alarm_conflicts(alarms: tuple[AlarmSettings, ...]) -> Iterator[Fault]:
    """Find rules that stand twice, and critical rules that are raised no later than their warning."""
    for position, rule in enumerate(alarms):
        key = {"spread": "ratio", RISE: "ratio", "weighted": "channels", SLOWER: "severity"}.get(rule.kind, "threshold")
        twins = {one.match for one in alarms[:position] if (one.kind, one.label) == (rule.kind, rule.label)}
        if rule.match in twins:
            message = f"{rule.label} has a rule for '{rule.match}' already; one rule per match and {key}"
            yield Fault((position, key), message)
        elif "*" in twins:
            message = f"{rule.label} has a rule for every series before, so this one is never used; "
            message += f"put the rule for '{rule.match}' first, or give it another {key}"
            yield Fault((position, key), message)
        else:
            for other in alarms:
                if (other.match, other.kind) == (rule.match, rule.kind) and _is_raised_no_later(rule, other):
                    yield Fault((position, key), _too_early_in_words(rule, other))


def _too_early_in_words(rule: AlarmSettings, other: AlarmSettings) -> str:
    """Say that a critical rule is raised no later than a warning, and what to do."""
    if rule.kind == SLOWER:
        both = "a critical rule of kind slower is raised no later than the warning"
        return f"{both} for '{rule.match}', as its budget is no smaller; lower its false_alarms or alpha"
    move = "lower" if rule.side == "below" else "raise"
    both = f"a critical rule at {rule.label} is raised no later than the warning at {other.label}"
    return f"{both} for '{rule.match}'; {move} its threshold or lower its alpha"


def _is_raised_no_later(rule: AlarmSettings, other: AlarmSettings) -> bool:
    """Compare a critical rule and a warning: a lower threshold lets evidence grow faster, a larger alpha needs less."""
    if (rule.severity, other.severity, rule.side) != ("critical", "warning", other.side):
        return False
    mine, its = _strictness(rule), _strictness(other)
    if mine is None or its is None or mine > its:
        return False
    if (rule.alpha is None) != (other.alpha is None):
        return False  # per tick against per year: depends on a cadence that need not be known
    if rule.shared_by == FLEET != other.shared_by:
        return False  # depends on the number of series
    year = Cadence.fixed(YEAR)
    return rule.uncut_alpha(year) >= other.uncut_alpha(year)


def _strictness(rule: AlarmSettings) -> float | None:
    """Give a number that grows with what a rule asks for; None where that depends on the series."""
    if rule.kind == SLOWER:
        return 0.0  # all rules of this kind share one evidence
    if not isinstance(rule.threshold, float):  # a spread rule was free in this in 0.1.0, whose settings are read
        return None
    return -rule.threshold if rule.side == "below" else rule.threshold


DEFAULT_ALARMS = (
    AlarmSettings(kind=SLOWER, false_alarms=Budget.parse("1 per 1y")),
    AlarmSettings(kind=SLOWER, false_alarms=Budget.parse("1 per 10y"), severity="critical"),
)
"""The rules where none are configured. Their budgets are calendar time: at alpha 1e-4 per tick a false alarm would come
every 27 years of daily values, and every 104 days of values at 15 minutes."""
