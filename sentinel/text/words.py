"""The readings of a series in words: a band, a recovery time, a cycle, a spread, a budget, why there is no verdict."""

from __future__ import annotations

from math import exp, isinf, isnan, log

import numpy as np

from sentinel.domain.channels import Estimates
from sentinel.domain.spelling import duration_in_words, moment_in_words, number_in_words
from sentinel.domain.states import Reason
from sentinel.domain.views import SeriesView, Spectrogram

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
    Reason.BASELINE: "its own past is not known yet",
    Reason.SPACING: "values come, but no two are one tick apart",
    Reason.COUNTERPART_MISSING: "counterpart missing: judged alone",
    Reason.COUNTERPART_BEHIND: "its counterpart is behind: waiting for it",
}

REMARKS = {
    "one_sided": "It is one-sided: a level shift looks like this too.",
    "noise": "It has no support at lag 2, or comes without more spread: the sensor's noise may have changed instead.",
}
"""Why an alarm on lag 1 may not be slowing, by name; the order is that of their bits."""


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


def recovery_in_words(view: SeriesView) -> str:
    """Write the recovery time, or `at least` its lower end where the band is open above only."""
    if isnan(view.estimates.lag1):
        return "not ready"
    if isnan(view.recovery_seconds):
        return "none: lag-1 is not above 0" if view.estimates.lag1 <= 0 else "unknown"
    if isinf(view.recovery_high_seconds) and view.recovery_low_seconds > 0:
        return f"at least {duration_in_words(view.recovery_low_seconds)}"
    return duration_in_words(view.recovery_seconds)


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
    if not 0.0 < view.estimates.modulus < 1.0:
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


def picture_in_words(picture: Spectrogram) -> str:
    """Say what a spectrogram shows to someone who cannot see it; only bands that lie apart are a change."""
    ready = np.flatnonzero(~np.isnan(picture.lag1))
    if not len(ready):
        return "No reading is ready yet."
    # The first readings after warm-up have the widest bands, with which nothing is ever a change.
    begin, end = ready[len(ready) // 10], ready[-1]
    rose, fell = picture.low[end] > picture.high[begin], picture.high[end] < picture.low[begin]
    verb = "rose" if rose else "fell" if fell else "changed no more than its band is wide,"
    first, last = (f"{picture.lag1[at]:.2f} ({moment_in_words(int(picture.time_us[at]))})" for at in (begin, end))
    evidence = picture.evidence[end]
    stands = "" if isnan(evidence) else f" Evidence is {'past' if evidence >= 0 else 'below'} the alarm line."
    return f"Lag-1 autocorrelation {verb} from {first} to {last}.{stands}"
