"""What the pipeline reports when an alarm is raised or cleared, in data and in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from sentinel.clock import MICROSECONDS
from sentinel.wording import band_in_words, duration_in_words, moment_iso


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """An alarm that was raised or cleared at the end of a tick."""

    id: str
    """The same for the same event in every replay: `ALARM/raised` or `ALARM/cleared`."""
    alarm_id: str
    what: str
    """`raised` or `cleared`."""
    series: str
    source: str
    kind: str
    threshold: float
    alpha: float
    severity: str
    time_us: int
    """End of the tick."""
    evidence: float
    lag1: float
    lag1_low: float
    lag1_high: float
    cadence_us: int

    @property
    def text(self) -> str:
        """One sentence; it says what was seen, never what will come."""
        if self.what == "cleared" and math.isnan(self.evidence):
            return (
                f"{self.series}: the alarm has ended with the evidence it stood on; after a gap, a new level or a "
                "change of settings it is gathered anew."
            )
        if self.what == "cleared":
            return (
                f"{self.series}: the alarm has ended; evidence is now against a return slower than lag-1 "
                f"autocorrelation {self.threshold:g}."
            )
        return (
            f"{self.series} is returning more slowly than lag-1 autocorrelation {self.threshold:g} allows: lag-1 "
            f"autocorrelation {band_in_words(self.lag1, self.lag1_low, self.lag1_high)}{self._recovery()}. "
            f"Budget {self.alpha:.3g} false alarms per tick. Recovery is slow; this does not say that a change follows."
        )

    def _recovery(self) -> str:
        """Recovery time in words; with an open band only what it is longer than."""
        at_least = self.lag1_high >= 1.0
        lag1 = self.lag1_low if at_least else self.lag1
        if not 0.0 < lag1 < 1.0:
            return ""
        seconds = -self.cadence_us / MICROSECONDS / math.log(lag1)
        return f", recovery time {'longer than' if at_least else 'about'} {duration_in_words(seconds)}"

    def body(self) -> dict[str, object]:
        """The event as JSON-ready data."""
        body = {k: v for k, v in asdict(self).items() if k not in ("time_us", "cadence_us")}
        for key in ("evidence", "lag1", "lag1_low", "lag1_high"):
            if isinstance(body[key], float) and not math.isfinite(body[key]):
                body[key] = None
        return body | {"time": moment_iso(self.time_us), "time_us": self.time_us, "text": self.text}
