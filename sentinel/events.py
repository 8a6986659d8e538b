"""What the pipeline reports when an alarm is raised or cleared, in data and in words."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

from sentinel.clock import MICROSECONDS
from sentinel.plan import PlanRule
from sentinel.wording import REMARKS, band_in_words, duration_in_words, moment_iso, remark_names

NUMBERS = ("threshold", "evidence", "lag1", "lag1_low", "lag1_high", "modulus", "period", "spread")
nan = math.nan


def alarm_id(series: str, kind: str, label: str, end_us: int) -> str:
    """Id of an alarm: the same for the same alarm in every replay of the same observations."""
    return hashlib.sha256(f"{series}\n{kind}\n{label}\n{end_us}".encode()).hexdigest()[:12]


class AlarmEvent(NamedTuple):
    """An alarm that was raised or cleared at the end of a tick. Numbers are NaN where unknown.

    A tuple, because tuples that hold the same NaN are equal; dataclasses are not from Python 3.13 on.
    """

    id: str
    """The same for the same event in every replay: `ALARM/raised` or `ALARM/cleared`."""
    alarm_id: str
    what: str
    """`raised` or `cleared`."""
    series: str
    source: str
    rule: str
    """Kind of the rule: `lag1`, `modulus`, `spread` or `weighted`."""
    label: str
    """Name of the rule within its kind: `0.8`, `below -0.5`, `relative`, `1.5x`."""
    kind: str
    """Channel that gave most evidence: `lag1`, `modulus` or `spread`."""
    side: str
    """`above` or `below`."""
    relative: bool
    threshold: float
    """Effective threshold of that channel; of spread the variance ratio."""
    remarks: tuple[str, ...]
    """Why it may not be slowing: names in `wording.REMARKS`; none for a plain alarm."""
    alpha: float
    """Effective: budgeted false alarms per series and tick."""
    severity: str
    time_us: int
    """End of the tick."""
    evidence: float
    lag1: float
    lag1_low: float
    lag1_high: float
    modulus: float
    period: float
    """In ticks."""
    spread: float
    """Log of the variance ratio to the first points."""
    cadence_us: int

    @classmethod
    def of(
        cls, rule: PlanRule, what: str, *, series: str, source: str, raised_us: int, time_us: int, cadence_us: int,
        leading: int, remarks: int, threshold: float, evidence: float = nan, lag1: float = nan, lag1_low: float = nan,
        lag1_high: float = nan, modulus: float = nan, period: float = nan, spread: float = nan,
    ) -> AlarmEvent:  # fmt: skip
        """The event of a rule, of which the channel `leading` gave most evidence; `remarks` in bits."""
        channel = rule.channels[leading % len(rule.channels)]  # of a paired series they are there twice
        alarm = alarm_id(series, rule.kind, rule.label, raised_us)
        written = channel.ratio if channel.kind == "spread" else channel.threshold
        threshold = threshold if written is None else written
        numbers = (threshold, evidence, lag1, lag1_low, lag1_high, modulus, period, spread)
        # One object for every NaN: equal events are then equal.
        known = {name: nan if math.isnan(x) else x for name, x in zip(NUMBERS, numbers, strict=True)}
        return cls(
            id=f"{alarm}/{what}", alarm_id=alarm, what=what, series=series, source=source, rule=rule.kind,
            label=rule.label, kind=channel.kind, side="below" if channel.below else "above",
            relative=channel.relative, remarks=remark_names(remarks), alpha=rule.alpha, severity=rule.severity,
            time_us=time_us, cadence_us=cadence_us, **known,
        )  # fmt: skip

    @property
    def claim(self) -> str:
        """What the evidence is for, after "is returning more slowly than" or, of spread, "fluctuates more than"."""
        own = ", set from its own reference period," if self.relative else ""
        if self.kind == "spread":
            return f"{self.threshold:g} times the variance of its reference period allows"
        if self.kind == "modulus":
            return f"modulus {self.threshold:g} of an oscillation allows"
        return f"lag-1 autocorrelation {self.threshold:.3g}{own} allows"

    @property
    def text(self) -> str:
        """One sentence or more; they say what was seen, never what will come."""
        verb = "fluctuates more than" if self.kind == "spread" else "is returning more slowly than"
        if self.what == "cleared" and math.isnan(self.evidence):
            return (
                f"{self.series}: the alarm has ended with the evidence it stood on; after a gap, a new level, a "
                "reference that was lost or came back, or a change of settings it is gathered anew."
            )
        if self.what == "cleared":
            return f"{self.series}: the alarm has ended; evidence is now against the claim that it {verb} {self.claim}."
        if self.kind == "spread":
            ending = "More noise or larger shocks do this; by itself it is not slowing."
        else:
            ending = "Recovery is slow; this does not say that a change follows."
        remarks = "".join(f" {REMARKS[name]}" for name in self.remarks)
        return (
            f"{self.series} {verb} {self.claim}: {self._seen()}. Budget {self.alpha:.3g} false alarms per tick."
            f"{remarks} {ending}"
        )

    def _seen(self) -> str:
        """What the instrument reads at this tick."""
        if self.kind == "spread":
            return f"its variance is about {math.exp(self.spread):.2g} times that of its first ticks"
        if self.kind == "modulus":
            seconds = self.period * self.cadence_us / MICROSECONDS
            period = "" if math.isnan(seconds) else f", period about {duration_in_words(seconds)}"
            return f"modulus {self.modulus:.2f}{period}"
        swings = ", overshooting from tick to tick" if self.side == "below" else ""
        band = band_in_words(self.lag1, self.lag1_low, self.lag1_high)
        return f"lag-1 autocorrelation {band}{self._recovery()}{swings}"

    def _recovery(self) -> str:
        """Recovery time in words; with an open band only what it is at least."""
        at_least = self.lag1_high >= 1.0
        lag1 = self.lag1_low if at_least else self.lag1
        if not 0.0 < lag1 < 1.0:
            return ""
        seconds = -self.cadence_us / MICROSECONDS / math.log(lag1)
        return f", recovery time {'at least' if at_least else 'about'} {duration_in_words(seconds)}"

    def body(self) -> dict[str, object]:
        """The event as JSON-ready data."""
        body = {k: v for k, v in self._asdict().items() if k not in ("time_us", "cadence_us")}
        for key in NUMBERS:
            if isinstance(body[key], float) and not math.isfinite(body[key]):
                body[key] = None
        return body | {"time": moment_iso(self.time_us), "time_us": self.time_us, "text": self.text}
