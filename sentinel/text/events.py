"""Alarm events in words, and as the JSON bodies that receivers get."""

from __future__ import annotations

import math
from dataclasses import asdict

from sentinel.domain.channels import CLAIMS, Claim, Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.spelling import duration_in_words, moment_iso
from sentinel.text.words import REMARKS, band_in_words

_INTERNAL = ("time_us", "cadence_us", "estimates")
_ALARM_KEYS = tuple(key for key in AlarmEvent._fields if key not in _INTERNAL)


def sentence_of(event: AlarmEvent | SiteEvent) -> str:
    """Say what was seen, in one sentence or more; never what will come."""
    return site_sentence(event) if isinstance(event, SiteEvent) else alarm_sentence(event)


def body_of(event: AlarmEvent | SiteEvent) -> dict[str, object]:
    """Give the event as JSON-ready data, its sentence under `text`; numbers that are not known are None.

    A site's alarm has all keys of a series' alarm, and `members` and `k` beside them: its threshold is the number of
    series that are needed, and what it has not, such as a source or a lag-1 autocorrelation, is None.
    """
    fields: dict[str, object]
    if isinstance(event, SiteEvent):
        own = {"members": list(event.members), "threshold": event.k, "remarks": (), "time": moment_iso(event.time_us)}
        fields = dict.fromkeys((*_ALARM_KEYS, *Estimates._fields)) | asdict(event) | own
    else:
        fields = {key: getattr(event, key) for key in _ALARM_KEYS}
        numbers = {"threshold": event.threshold, "evidence": event.evidence, **event.estimates._asdict()}
        fields |= {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        fields |= {"time": moment_iso(event.time_us), "time_us": event.time_us}
    return fields | {"text": sentence_of(event)}


def alarm_sentence(event: AlarmEvent) -> str:
    """Say what was seen, in one sentence or more; never what will come."""
    claim = CLAIMS[event.kind]
    own = ", set from its own baseline period," if event.relative else ""
    now = claim.now.format(threshold=event.threshold, own=own)
    if event.what == "cleared" and math.isnan(event.evidence):
        return (
            f"{event.series}: the alarm has ended with the evidence it stood on; after a gap, a new level, a "
            "counterpart that was lost or came back, or a change of settings it is gathered anew."
        )
    if event.what == "cleared":
        return f"{event.series}: the alarm has ended; evidence is now against the claim that it {now}."
    remarks = "".join(f" {REMARKS[name]}" for name in event.remarks)
    return (
        f"{event.series} {now}: {_reading(event, claim)}. Budget {event.alpha:.3g} false alarms per tick."
        f"{remarks} {claim.caution}"
    )


def _reading(event: AlarmEvent, claim: Claim) -> str:
    """Say what the instrument reads at this tick."""
    numbers = event.estimates
    seconds = numbers.period * event.cadence_us / MICROSECONDS
    return claim.reading.format(
        band=band_in_words(numbers.lag1, numbers.lag1_low, numbers.lag1_high),
        recovery=_recovery(event),
        swings=", overshooting from tick to tick" if event.side == "below" else "",
        modulus=numbers.modulus,
        period="" if math.isnan(seconds) else f", period about {duration_in_words(seconds)}",
        ratio=math.exp(min(numbers.spread, 700.0)),
    )


def _recovery(event: AlarmEvent) -> str:
    """Say the recovery time; with an open band only what it is at least."""
    at_least = event.estimates.lag1_high >= 1.0
    lag1 = event.estimates.lag1_low if at_least else event.estimates.lag1
    if not 0.0 < lag1 < 1.0:
        return ""
    seconds = -event.cadence_us / MICROSECONDS / math.log(lag1)
    return f", recovery time {'at least' if at_least else 'about'} {duration_in_words(seconds)}"


def site_sentence(event: SiteEvent) -> str:
    """Say what was seen, in one sentence; never what will come."""
    if event.what == "cleared":
        return f"site {event.series}: the alarm has ended; fewer than {event.k} of its series have an open alarm."
    return (
        f"site {event.series}: {len(event.members)} series have an open alarm ({', '.join(event.members)}), "
        f"{event.k} are needed. This does not say that a change follows."
    )
