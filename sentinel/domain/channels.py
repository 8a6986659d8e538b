"""The channels: what is watched in a series, and for each its numbers, words, marks and metrics.

To add one, add its estimates to `Estimates`, compute them in `pipeline/scoring.py`, and describe them here: metrics,
JSON, tables and the page of a series follow. A channel without a claim is only estimated; no alarm rule may name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import log, nan
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Estimates(NamedTuple, Generic[T]):
    """The estimates at a tick: numbers of one series, or arrays of one shape for many. NaN = not ready."""

    lag1: T
    """Lag-1 autocorrelation, in [-1, 1]."""
    lag1_low: T
    lag1_high: T
    """Its 95 % band; -1 or 1 where the band is open."""
    modulus: T
    """Factor of a small knock from tick to tick, of the slower of the two roots."""
    period: T
    """In ticks; NaN where nothing oscillates, or more slowly than the level follows."""
    spread: T
    """Log of the variance ratio to the first ticks; 0 = unchanged."""
    criticality: T
    """atanh(modulus) + spread: larger = closer to critical."""
    skewness: T
    """Of the residual; 0 = symmetric, below 0 the long tail points down."""

    def each(self, change: Callable[[T], U]) -> Estimates[U]:
        """Apply a function to every estimate."""
        return Estimates(*map(change, self))


JUMPED = log(40.0)
"""Spread above which a series of which nothing but "very slow" is known has jumped: four simulated lakes gained up to
32 times their variance before they tipped, and mostly more than 100 times after it, while series at rest with a lag-1
autocorrelation of 0.99 change by 8 times."""


def hides_recovery(lag1_high: float, *, shifted: bool) -> bool:
    """True where no recovery time is known: all that is known is "very slow", and a `shifted` level looks like it."""
    return shifted and lag1_high >= 1.0


UNKNOWN = Estimates(*[nan] * len(Estimates._fields))
"""The estimates of a series that is not ready; all share one NaN, so that the tuple equals itself."""


class Measure(NamedTuple):
    """One number of a series, as others get it: a gauge, and perhaps a line on the page of the series."""

    name: str
    """Of the gauge, behind `sentinel_series_`; a unit ends it."""
    help: str
    value: str
    """Path of the number in `SeriesView`."""
    title: str = ""
    """Its line on the page, with two decimals; empty where the page shows it in another way."""
    note: str = ""
    """Remark beside it on the page."""
    may_be_open: bool = False
    """Infinite where a band is open; it is then no gauge."""

    @property
    def metric(self) -> str:
        """Full name of the gauge."""
        return f"sentinel_series_{self.name}"

    def read(self, view: object) -> float:
        """Read the number off a `SeriesView`; NaN = not ready."""
        number: float = attrgetter(self.value)(view)
        return number


class Claim(NamedTuple):
    """The sentences of an alarm on a channel. The numbers in braces are filled in by `text`."""

    rule: str
    """Name of a rule: `lag-1 above 0.8`."""
    now: str
    """Behaviour of the series while the evidence holds."""
    past: str
    """The same in the past tense, for a report."""
    reading: str
    """Reading of the instrument at that tick."""
    caution: str
    """Sentence on what the alarm does not say."""
    ended: str = "evidence is now against the claim that it {now}"
    """Reason for which the alarm has ended."""


class AlarmMark(NamedTuple):
    """The mark of an alarm in pictures."""

    marker: str
    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel."""

    name: str
    """In settings, events and metrics."""
    measures: tuple[Measure, ...]
    claim: Claim | None = None
    marks: Mapping[str, AlarmMark] = field(default_factory=dict)
    """By the side of the threshold on which evidence grows: `above`, `below` or `swinging`."""


_NOT_A_TIP = "It does not say that a tip is near. It may also follow a level shift, a new trend or a quieter sensor."
_SLOW = "Recovery is slow; this does not say that a change follows."

CHANNELS = (
    Channel(
        "slower",
        (),
        Claim(
            rule="slower than it was ({limit})",
            now="returns more slowly than in its own past",
            past="returned more slowly than in its own past",
            reading="chance is a poor explanation{means}",
            caution=_NOT_A_TIP,
            ended="it now returns about as fast as in its past, of which what it has become may be a part by now",
        ),
        {
            "above": AlarmMark("v", "slower than it was", "#b2182b"),
            "below": AlarmMark("^", "slower than it was, overshooting", "#b2182b"),
            "swinging": AlarmMark("D", "slower than it was, swinging", "#b2182b"),
        },
    ),
    Channel(
        "lag1",
        (
            Measure("lag1_autocorrelation", "Lag-1 autocorrelation of the residual.", "estimates.lag1"),
            Measure("lag1_autocorrelation_low", "Lower end of its 95 % band.", "estimates.lag1_low"),
            Measure("lag1_autocorrelation_high", "Upper end of its 95 % band.", "estimates.lag1_high"),
            Measure("recovery_time_seconds", "Time in which a small knock fades to 1/e.", "recovery_seconds"),
            Measure("recovery_time_low_seconds", "Lower end of its 95 % band.", "recovery_low_seconds"),
            Measure(
                "recovery_time_high_seconds",
                "Upper end of its 95 % band; left out where it is open.", "recovery_high_seconds", may_be_open=True,
            ),
        ),
        Claim(
            rule="lag-1 {side} {limit}",
            now="is returning more slowly than lag-1 autocorrelation {threshold:.3g}{own} allows",
            past="returned more slowly{over} than lag-1 {limit}{own} allows",
            reading="lag-1 autocorrelation {band}{recovery}{swings}",
            caution=_SLOW,
        ),
        {"above": AlarmMark("v", "lag-1", "#b2182b"), "below": AlarmMark("^", "lag-1, lower side", "#b2182b")},
    ),
    Channel(
        "modulus",
        (
            Measure(
                "modulus",
                "What a small knock is multiplied by at each tick, oscillations included.", "estimates.modulus",
            ),
            Measure(
                "period_seconds", "Period of the oscillation; left out where nothing oscillates.", "period_seconds",
            ),
        ),
        Claim(
            rule="modulus {side} {limit}",
            now="is returning more slowly than modulus {threshold:g} of an oscillation allows",
            past="returned more slowly than an oscillation of modulus {limit}",
            reading="modulus {modulus:.2f}{period}",
            caution=_SLOW,
        ),
        {"above": AlarmMark("D", "modulus", "#6a3d9a")},
    ),
    Channel(
        "spread",
        (
            Measure(
                "spread",
                "Natural logarithm of the variance over that of the first ticks; 0 is unchanged.", "estimates.spread",
            ),
            Measure(
                "criticality", "atanh of the modulus plus the spread; larger is closer to critical.",
                "estimates.criticality", "Criticality", "atanh of the modulus + log of the variance ratio",
            ),
        ),
        Claim(
            rule="variance {side} {limit} × its own past",
            now="fluctuates more than {threshold:g} times the variance of its baseline period allows",
            past="varied more than {limit} × the variance of its own past",
            reading="its variance is about {ratio:.2g} times that of its first ticks",
            caution="More noise or larger shocks do this; by itself it is not slowing.",
        ),
        {"above": AlarmMark("s", "spread", "#9a5b00")},
    ),
    Channel(
        "rise",
        (),
        Claim(
            rule="variance now {side} {limit} × its first values",
            now="fluctuates more than {threshold:g} times the variance of its first values",
            past="varied more than {limit} × the variance of its first values",
            reading="its variance is about {ratio:.2g} times that of its first values",
            caution="A number held against a line, without a stated budget. More noise or larger shocks do this; by "
            "itself it is not slowing.",
            ended="its variance is no longer {threshold:g} times that of its first values, or its season is over",
        ),
        {"above": AlarmMark("s", "spread above a line", "#9a5b00")},
    ),
    Channel(
        "skewness",
        (
            Measure(
                "skewness", "Skewness of the residual; 0 is symmetric; by itself it is no evidence.",
                "estimates.skewness", "Skewness", "of the residual; by itself it is no evidence",
            ),
        ),
    ),
)  # fmt: skip
"""Every channel, in the order in which metrics and pages show them."""
CLAIMS = {channel.name: channel.claim for channel in CHANNELS if channel.claim is not None}
"""The sentences of an alarm, by the name of the channel."""
