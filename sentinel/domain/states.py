"""Series, rules, sites and sources as readers see them: plain facts, those of a series taken after its last tick.

A series that is not ready is `LEARNING` and its numbers are NaN; one that cannot be judged is `BLIND` with a reason; a
quiet one is `WATCHING`. A missing tick leaves the numbers as they were and moves only `missing_ticks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import nan

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.channels import JUMPED, UNKNOWN, Estimates, hides_recovery
from sentinel.domain.flags import CheckCount
from sentinel.domain.labels import read_key
from sentinel.domain.spans import NEVER_US


class State(Enum):
    """State of a series; the value is its name in metrics, page, files and messages."""

    LEARNING = "learning"
    WATCHING = "watching"
    WARNING = "warning"
    CRITICAL = "critical"
    BLIND = "blind"


class Reason(Enum):
    """Reason why a series is blind or still learning; NONE otherwise."""

    NONE = ""
    WARM_UP = "warm_up"
    CADENCE = "cadence"
    STALE = "stale"
    GAP = "gap"
    STUCK = "stuck"
    TOO_COARSE = "too_coarse"
    OUT_OF_RANGE = "out_of_range"
    IMPLAUSIBLE = "implausible"
    BASELINE = "reference"
    SPACING = "spacing"
    COUNTERPART_MISSING = "reference_missing"
    COUNTERPART_BEHIND = "reference_behind"
    TOO_SLOW = "too_slow"
    ON_HOLD = "on_hold"
    FAILED_CHECK = "failed_check"  # the last, as its place in this list is what a checkpoint holds


STATES = tuple(State)
REASONS = tuple(Reason)


@dataclass(slots=True)
class SourceStatus:
    """One source since the daemon's start. The thread that fetches writes the upper half, the engine's the lower."""

    name: str
    last_success_us: int = NEVER_US
    last_failure_us: int = NEVER_US
    up: bool = False
    """The last fetch succeeded, and the next one does not hang."""
    failure: str = ""
    """Why the last fetch failed, or that the present one hangs; empty if it succeeded."""
    in_flight_us: int | None = None
    """When the fetch or the start that has not ended yet began."""
    fetches: int = 0
    """Failed ones included."""
    failed: int = 0
    """Fetches that failed."""
    catching_up: bool = False
    """It has more to tell at once, such as its history."""

    refused: int = 0
    """Frames that the journal refused."""
    received: int = 0
    accepted: int = 0
    rejected: int = 0
    late: int = 0
    newest_us: int | None = None
    """Newest event time, which may lie before 1970; None before the first observation."""
    without_numbers: tuple[str, ...] = ()
    """Columns that have had no number yet: they become series with their first."""
    counting: tuple[str, ...] = ()
    """Columns that are not judged as they only rise, like counters and numbers of rows."""
    marked: dict[str, int] = field(default_factory=dict)
    """Observations that were taken without the mark behind their number, by mark."""

    @property
    def has_answered(self) -> bool:
        """True if it has been fetched, or has failed, at least once."""
        return self.last_success_us != NEVER_US or self.last_failure_us != NEVER_US


@dataclass(frozen=True, slots=True)
class RuleView:
    """One alarm rule of one series."""

    kind: str
    """The channel: `lag1`, `modulus`, `spread`, or `weighted` for several."""
    label: str
    """Name of the rule within its kind: `0.8`, `below -0.5`, `relative`, `1.5x`."""
    side: str
    """`above` or `below` the threshold."""
    relative: bool
    threshold: float
    """Effective, of the first channel; NaN while the baseline period is not full; of spread the variance ratio."""
    baseline_left: int
    """Valid pairs still needed for the baseline period; 0 if it is full or none is needed."""
    baseline_disagrees: bool
    """The two halves of the baseline period disagree about lag-1 autocorrelation."""
    alpha: float
    """Effective budget: false alarms per series and tick."""
    severity: str
    """`warning` or `critical`."""
    evidence: float
    """log10(max(alpha * M, 1e-6)): 0 is the alarm line; NaN while not ready."""
    alarm_id: str
    """Id of the open alarm, empty while there is none."""
    since_us: int
    """When the open alarm was raised; -1 while there is none."""
    remarks: tuple[str, ...]
    """Names in `events.REMARK_NAMES`: why the open alarm may not be slowing."""
    held: bool = False
    """The claim has held since the first verdict: a state, not an alarm, until it has ended once."""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """One series as a reader sees it. Not ready = NaN; times are microseconds since 1970-01-01 UTC, -1 = never.

    The defaults are those of a series whose cadence is still being learnt.
    """

    name: str
    source: str
    state: State
    reason: Reason
    since_us: int = -1
    """Event time at which the present state began."""
    cadence_seconds: float = nan
    """NaN while the cadence is still being learnt."""
    half_life_ticks: float = nan
    ticks: int = 0
    """Ticks closed so far, missing ones included."""
    missing_ticks: int = 0
    warm_up_left: int = -1
    """Valid ticks still needed before the first verdict; 0 when ready, -1 while the cadence is still being learnt."""
    time_us: int = -1
    """End of the last closed tick."""
    value: float = nan
    """Value of the last closed tick; NaN = missing."""
    residual: float = nan
    estimates: Estimates[float] = UNKNOWN
    recovery_seconds: float = nan
    """-cadence / ln(lag1); NaN where lag1 is not in (0, 1)."""
    recovery_low_seconds: float = nan
    recovery_high_seconds: float = nan
    """inf where the upper end of the band is open: then say "at least `recovery_low_seconds`"."""
    evidence: float = nan
    """Maximum over the rules that are ready."""
    e_value: float = nan
    """For ranking a fleet (e-BH): mean of the e-values of the window before and of the present one."""
    window_ticks: int = 0
    windows: int = 0
    """Number of windows on which the e-value rests: 2, or 1 while the first one lasts; the last one is not over."""
    window_us: int = -1
    """When the first of them began; -1 = never."""
    tie_share: float = nan
    left_out: int = 0
    """Values so far that were taken as missing since they are no measurements: fill values, far values of a start."""
    fill_values: tuple[float, ...] = ()
    """The fill values among them: far from all others, and exactly the same each time."""
    values_left_out: tuple[tuple[float, int], ...] = ()
    """Which they were and how often each, as far as that is remembered, whatever has become of them since."""
    checks: tuple[CheckCount, ...] = ()
    """Values that a check has called suspect or failed so far, by check; those without any are left out."""
    checks_unable: tuple[str, ...] = ()
    """Checks that cannot act as they are meant on the cadence that was found, and why."""
    thresholds: tuple[float, ...] = ()
    readings: tuple[float, ...] = ()
    """One per threshold, in null standard deviations; NaN while not ready."""
    rules: tuple[RuleView, ...] = ()
    unit: str = ""
    """Unit of the value; empty = not known."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of its key; none of a series that has only a name."""
        return read_key(self.name).labels

    @property
    def held(self) -> bool:
        """True if a rule is held."""
        return any(rule.held for rule in self.rules)

    @property
    def shifted(self) -> bool:
        """True if numbers may be of a jump of the level: an open alarm is one-sided, or the variance far too large."""
        is_one_sided = any(rule.alarm_id and "one_sided" in rule.remarks for rule in self.rules)
        return is_one_sided or self.estimates.spread > JUMPED

    @property
    def hides_recovery(self) -> bool:
        """True if the recovery time is not known, whatever its numbers say: it may have shifted."""
        return hides_recovery(self.estimates.lag1_high, shifted=self.shifted)

    @property
    def period_seconds(self) -> float:
        """NaN where nothing oscillates."""
        return self.estimates.period * self.cadence_seconds


@dataclass(frozen=True, slots=True)
class SiteView:
    """One site as a reader sees it. A series and its comparison with a counterpart count once."""

    name: str
    match: str
    k: int
    """Number of series that must have an open alarm."""
    kind: str
    """Kind of the alarms that count: `lag1`, `modulus`, `spread` or `any`."""
    since_us: int
    """When the site's open alarm was raised; -1 while there is none."""
    alarmed: tuple[str, ...]
    """Series with an open alarm that counts, comparisons under their own name."""
    alarmed_count: int
    series_count: int
    """Series that match and that a rule can raise such an alarm on."""
    able_count: int
    """Series that can alarm, or whose open alarm may still count."""
    blind_count: int
    """Series that can not, being blind; but for those that are held, the others are not ready."""
    held_count: int = 0
    """Series that can not, as their rules are held."""

    @property
    def state(self) -> State:
        """`WARNING` while it alarms, `WATCHING` if it could; else `BLIND` or `LEARNING` by what keeps it from it."""
        if self.since_us >= 0:
            return State.WARNING
        if self.able_count >= self.k:
            return State.WATCHING
        return State.BLIND if self.blind_count or self.held_count else State.LEARNING


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Readings over time, decimated to at most 512 columns."""

    thresholds: NDArray[np.float64]
    """Shape (detectors,)."""
    time_us: NDArray[np.int64]
    """Shape (columns,): end of the last tick in each column."""
    state: NDArray[np.int8]
    """Shape (columns,): index into `STATES` of the last tick."""
    value_low: NDArray[np.float64]
    """Shape (columns,): smallest value; NaN where all are missing. Likewise `value_high`, the largest."""
    value_high: NDArray[np.float64]
    readings: NDArray[np.int8]
    """Shape (columns, detectors): reading * 16, clipped to ±127; -128 = not ready or missing."""
    lag1: NDArray[np.float32]
    """Shape (columns,); NaN while not ready. Likewise all that follow: `low` and `high` are the ends of its band."""
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    modulus: NDArray[np.float32]
    spread: NDArray[np.float32]
    evidence: NDArray[np.float32]
