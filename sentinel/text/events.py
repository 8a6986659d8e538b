"""Alarm events in words, and as the JSON bodies that receivers get."""

from __future__ import annotations

import math
from dataclasses import asdict

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.spelling import duration_in_words, moment_iso
from sentinel.text.words import REMARKS, band_in_words


def sentence_of(event: AlarmEvent | SiteEvent) -> str:
    """One sentence or more; they say what was seen, never what will come."""
    return site_sentence(event) if isinstance(event, SiteEvent) else alarm_sentence(event)


def body_of(event: AlarmEvent | SiteEvent) -> dict[str, object]:
    """The event as JSON-ready data, its sentence under `text`; numbers that are not known are None."""
    if isinstance(event, SiteEvent):
        fields = asdict(event) | {"members": list(event.members), "time": moment_iso(event.time_us)}
    else:
        fields = {k: v for k, v in event._asdict().items() if k not in ("time_us", "cadence_us", "estimates")}
        numbers = {"threshold": event.threshold, "evidence": event.evidence, **event.estimates._asdict()}
        fields |= {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        fields |= {"time": moment_iso(event.time_us), "time_us": event.time_us}
    return fields | {"text": sentence_of(event)}


def _claim(event: AlarmEvent) -> str:
    """What the evidence is for, after "is returning more slowly than" or, of spread, "fluctuates more than"."""
    own = ", set from its own baseline period," if event.relative else ""
    if event.kind == "spread":
        return f"{event.threshold:g} times the variance of its baseline period allows"
    if event.kind == "modulus":
        return f"modulus {event.threshold:g} of an oscillation allows"
    return f"lag-1 autocorrelation {event.threshold:.3g}{own} allows"


def alarm_sentence(event: AlarmEvent) -> str:
    """One sentence or more; they say what was seen, never what will come."""
    verb = "fluctuates more than" if event.kind == "spread" else "is returning more slowly than"
    if event.what == "cleared" and math.isnan(event.evidence):
        return (
            f"{event.series}: the alarm has ended with the evidence it stood on; after a gap, a new level, a "
            "counterpart that was lost or came back, or a change of settings it is gathered anew."
        )
    if event.what == "cleared":
        return f"{event.series}: the alarm has ended; evidence is now against the claim that it {verb} {_claim(event)}."
    if event.kind == "spread":
        ending = "More noise or larger shocks do this; by itself it is not slowing."
    else:
        ending = "Recovery is slow; this does not say that a change follows."
    remarks = "".join(f" {REMARKS[name]}" for name in event.remarks)
    return (
        f"{event.series} {verb} {_claim(event)}: {_seen(event)}. Budget {event.alpha:.3g} false alarms per tick."
        f"{remarks} {ending}"
    )


def _seen(event: AlarmEvent) -> str:
    """What the instrument reads at this tick."""
    if event.kind == "spread":
        return f"its variance is about {math.exp(event.estimates.spread):.2g} times that of its first ticks"
    if event.kind == "modulus":
        seconds = event.estimates.period * event.cadence_us / MICROSECONDS
        period = "" if math.isnan(seconds) else f", period about {duration_in_words(seconds)}"
        return f"modulus {event.estimates.modulus:.2f}{period}"
    swings = ", overshooting from tick to tick" if event.side == "below" else ""
    band = band_in_words(event.estimates.lag1, event.estimates.lag1_low, event.estimates.lag1_high)
    return f"lag-1 autocorrelation {band}{_recovery(event)}{swings}"


def _recovery(event: AlarmEvent) -> str:
    """Recovery time in words; with an open band only what it is at least."""
    at_least = event.estimates.lag1_high >= 1.0
    lag1 = event.estimates.lag1_low if at_least else event.estimates.lag1
    if not 0.0 < lag1 < 1.0:
        return ""
    seconds = -event.cadence_us / MICROSECONDS / math.log(lag1)
    return f", recovery time {'at least' if at_least else 'about'} {duration_in_words(seconds)}"


def site_sentence(event: SiteEvent) -> str:
    """One sentence; it says what was seen, never what will come."""
    if event.what == "cleared":
        return f"site {event.series}: the alarm has ended; fewer than {event.k} of its series have an open alarm."
    return (
        f"site {event.series}: {len(event.members)} series have an open alarm ({', '.join(event.members)}), "
        f"{event.k} are needed. This does not say that a change follows."
    )
