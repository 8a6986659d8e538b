"""Words and numbers for people: one way to say a duration, a moment, a state, a band and a threshold.

Page, terminal and metrics say the same thing in the same words because they all ask here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil, isfinite, isinf, isnan, log10

from sentinel.snapshot import Reason, RuleView, SeriesView, State

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_US = -1
FLOOR = -6.0
"""Lowest evidence that is shown, as log10."""

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
    Reason.REFERENCE: "its own past is not known yet",
    Reason.SPACING: "values come, but no two are one tick apart",
}

_UNITS = (
    (365.25 * 86400, "years"),
    (86400.0, "days"),
    (3600.0, "h"),
    (60.0, "min"),
    (1.0, "s"),
    (1e-3, "ms"),
)


REMARKS = {
    "one_sided": "It is one-sided: a level shift looks like this too.",
    "noise": "It has no support at lag 2, or comes with less spread: the sensor's noise may have changed instead.",
}
"""Why an alarm on lag 1 may not be slowing, by name; the order is that of their bits."""


def remark_names(bits: int) -> tuple[str, ...]:
    """Names of the remarks that are set."""
    return tuple(name for at, name in enumerate(REMARKS) if bits >> at & 1)


def threshold_label(threshold: float) -> str:
    """Write a threshold for a label or a caption: four decimals, no trailing zeros, never minus zero."""
    return f"{round(threshold, 4) + 0.0:g}"


def duration_in_words(seconds: float) -> str:
    """Write a duration with two to three digits: `42 s`, `3.5 h`, `12 days`; `unknown` for NaN."""
    if isnan(seconds):
        return "unknown"
    if isinf(seconds):
        return "unlimited"
    size, unit = next((entry for entry in _UNITS if abs(seconds) >= entry[0]), _UNITS[-1])
    number = f"{seconds / size:.3g}" if abs(seconds) < 100 * size else f"{seconds / size:,.0f}"
    return f"{number} {unit[:-1] if number == '1' and unit in ('years', 'days') else unit}"


def moment_in_words(time_us: int) -> str:
    """Write a moment as `2019-08-04 13:00:05 UTC`, leaving out what is zero at its end; `never` for -1."""
    if time_us == NEVER_US:
        return "never"
    try:
        moment = EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return f"{time_us} µs"
    if (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment.second == 0 else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def moment_iso(time_us: int) -> str | None:
    """Write a moment in ISO 8601 for machines; None for -1 and for what no calendar holds."""
    if time_us == NEVER_US:
        return None
    try:
        return (EPOCH + timedelta(microseconds=time_us)).isoformat()
    except OverflowError:
        return None


def lag1_in_words(view: SeriesView) -> str:
    """Write lag-1 with its band: `0.82 (0.74 to 0.88)`, `0.98 (above 0.95)`; `not ready` while there is none."""
    return band_in_words(view.lag1, view.lag1_low, view.lag1_high)


def band_in_words(lag1: float, low: float, high: float) -> str:
    """Write an estimate with its 95 % band, whose ends are -1 and 1 where open."""
    if isnan(lag1):
        return "not ready"
    if low <= -1 and high >= 1:
        band = "band open"
    elif high >= 1:
        band = f"above {low:.2f}"
    elif low <= -1:
        band = f"below {high:.2f}"
    else:
        band = f"{low:.2f} to {high:.2f}"
    return f"{lag1:.2f} ({band})"


def recovery_in_words(view: SeriesView) -> str:
    """Write the recovery time with its band; `longer than ...` where the band is open above."""
    if isnan(view.lag1):
        return "not ready"
    if isnan(view.recovery_seconds):
        return "none: lag-1 is not above 0" if view.lag1 <= 0 else "unknown"
    if isinf(view.recovery_high_seconds):
        known = isfinite(view.recovery_low_seconds)
        lower = view.recovery_low_seconds if known else view.recovery_seconds
        return f"longer than {duration_in_words(lower)}"
    return duration_in_words(view.recovery_seconds)


def recovery_band_in_words(view: SeriesView) -> str:
    """Write both ends of the recovery time's band; empty where one of them is not known."""
    if not (isfinite(view.recovery_low_seconds) and isfinite(view.recovery_high_seconds)):
        return ""
    return f"{duration_in_words(view.recovery_low_seconds)} to {duration_in_words(view.recovery_high_seconds)}"


def reason_in_words(view: SeriesView) -> str:
    """Say why a series is blind or learning, or which rules alarm; empty while it is quiet."""
    if view.state in (State.WARNING, State.CRITICAL):
        open_rules = [rule for rule in view.rules if rule.alarm_id]
        limits = " and ".join(dict.fromkeys(rule.label for rule in open_rules))
        since = min((rule.since_us for rule in open_rules), default=view.since_us)
        return f"lag-1 above {limits} since {moment_in_words(since)}" if limits else ""
    if view.state is State.LEARNING and view.reason is not Reason.CADENCE and view.warm_up_left > 0:
        ticks = f"{view.warm_up_left:,} more tick{'s' if view.warm_up_left != 1 else ''} needed"
        return ticks if view.reason is not Reason.GAP else f"{REASONS[Reason.GAP]}: {ticks}"
    since = min((rule.since_us for rule in view.rules if rule.alarm_id), default=NEVER_US)
    is_open = f"; the alarm since {moment_in_words(since)} is open" if since != NEVER_US else ""
    return f"{REASONS[view.reason]}{is_open}" if view.state is State.BLIND else REASONS[view.reason]


def evidence_share(rule: RuleView) -> float:
    """How far evidence has come towards its alarm line, in [0, 1]; NaN while not ready.

    0 is log10(alpha), where the e-detector stands after one tick that says nothing; 1 is the alarm line.
    """
    if isnan(rule.evidence):
        return rule.evidence
    start = max(log10(rule.alpha), FLOOR) if rule.alpha > 0 else FLOOR
    return min(1.0, max(0.0, 1.0 - rule.evidence / start)) if start < 0 else 1.0


def evidence_in_words(rule: RuleView) -> str:
    """Say how far evidence is from its alarm line: `past the alarm line`, `1/40 of an alarm`."""
    if isnan(rule.evidence):
        return "not ready"
    if rule.evidence >= 0:
        return "past the alarm line"
    if rule.evidence <= FLOOR:
        return "none"
    return f"1/{ceil(10**-rule.evidence):,} of an alarm"


def leading_rule(view: SeriesView) -> RuleView | None:
    """Give the rule to show first: an open alarm before others, then the one with most evidence."""
    ready = [rule for rule in view.rules if not isnan(rule.evidence)]
    chosen = max(ready, key=lambda rule: (bool(rule.alarm_id), rule.evidence), default=None)
    return chosen or next(iter(view.rules), None)
