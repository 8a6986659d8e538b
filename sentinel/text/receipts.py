"""Grounds of an alarm, in words: what was claimed, and the receipt for its number.

All of it follows from the event itself, so that it can be said when nothing else is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from detectors.ledger import MEMORY, QUEUED, SEGMENT
from sentinel.config import RISE, SLOWER
from sentinel.domain.channels import Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import ENDED_BY, WITHDRAWN
from sentinel.domain.spans import DAY, duration_in_words, moment_in_words, number_in_words
from sentinel.text.words import REMARKS, SHIFTED, budget_in_words, lag1_in_words, rule_and_severity, rule_in_words

Guarantee = Literal["theorem", "calibrated", "none"]
Event = Mapping[str, Any]
"""The JSON body of an event."""

_OWN_PAST = (
    f"a fading memory of its last {MEMORY:,.0f} pairs, without the newest {QUEUED * SEGMENT}, which the alarm is about"
)
_CHECKED = "checked by simulation through the whole pipeline (docs/trust.md), not proved"
_THEOREM = "E[false alarms in T ticks] <= alpha T, whatever the tails or the noise level (Ville 1939; Shin et al. 2023)"


def null_hypothesis(event: Event) -> str:
    """Say what is assumed where nothing is wrong, and what the number is evidence against."""
    if "members" in event:
        return "none of its own: it counts alarms of series, each with its own receipt"
    threshold, kind = event["threshold"], event["kind"]
    number = "of its baseline period" if threshold is None else f"{threshold:.4g}"
    if event["rule"] == "weighted":
        return f"none of its claims holds ({rule_in_words(event['rule'], event['label'])})"
    if kind == SLOWER:
        return "each block of pairs, given the past, returns on average at least as fast as the series' own past did"
    if kind == RISE:
        return "none: a number is held against a line, nothing is bet"
    if kind == "spread":
        return f"its fluctuations are on average at most {number} times as variable as in its baseline period"
    if kind == "modulus":
        return f"given the past, a knock fades at least as fast as an oscillation of modulus {number}"
    side = "at or above" if event["side"] == "below" else "at or below"
    return (
        "each value, given the past, is centred at level + rho x (last deviation) with rho "
        f"{side} {number}, and shocks are symmetric"
    )


def guarantee(event: Event, *, conditioned: bool = True) -> tuple[Guarantee, str]:
    """Say whether the budget is a theorem under the null hypothesis or calibrated only, and why.

    `conditioned` says that level, trend, season and scale were estimated on the way, as a daemon always does.
    """
    if "members" in event or event["rule"] == RISE:
        return "none", "no budget is stated for it"
    if event["rule"] == SLOWER:
        return "calibrated", f"its past is estimated and its level followed; {_CHECKED}"
    if event["relative"] or event["kind"] == "spread":
        return "calibrated", f"the baseline period is finite; {_CHECKED}"
    if conditioned:
        return "calibrated", f"level, trend, season and scale are estimated on the way; {_CHECKED}"
    return "theorem", _THEOREM


_AMENDED = {
    WITHDRAWN: "withdrawn {then}: values corrected since do not raise it",
    "newly raised": "known since {then}: values corrected since raise it",
}


class Episode(NamedTuple):
    """One alarm: the event that raised it, and those that ended, acknowledged and amended it."""

    raised: Event
    cleared: Event | None = None
    acknowledged: Event | None = None
    amended: Event | None = None

    @property
    def standing(self) -> str:
        """Say whether it is open, and who has seen it; or when it ended; and what corrected values say of it."""
        said = ""
        if self.amended is not None:
            then = moment_in_words(self.amended["time_us"] // MICROSECONDS * MICROSECONDS)
            said = _AMENDED.get(self.amended["verdict"], "").format(then=then)
        return "; ".join(filter(None, (self._open_or_ended(), said)))

    def _open_or_ended(self) -> str:
        if self.cleared is not None:
            by = ENDED_BY.get(self.cleared.get("ended_by") or "")
            how = f" {by}, not by itself" if by else ""
            return f"ended {moment(self.raised, self.cleared.get('time_us'))}{how}"
        if self.acknowledged is None:
            return "open"
        by = f" by {self.acknowledged['by']}" if self.acknowledged["by"] else ""
        note = f": {self.acknowledged['note']}" if self.acknowledged["note"] else ""
        then = moment_in_words(self.acknowledged["time_us"] // MICROSECONDS * MICROSECONDS)
        return f"open, acknowledged{by} {then}{note}"

    @property
    def begun(self) -> str:
        """Say when it was raised."""
        return moment(self.raised, self.raised.get("time_us"))


def pair(events: Iterable[Event]) -> list[Episode]:
    """Pair the events of alarms, in the order in which they were raised; without those whose beginning is forgotten."""
    by_what: dict[str, dict[str, Event]] = {"raised": {}, "cleared": {}, "acknowledged": {}, "amended": {}}
    for event in events:
        by_what[event["what"]][event["alarm_id"]] = event
        if event["what"] == "raised":  # perhaps once more, by values that were corrected since
            by_what["cleared"].pop(event["alarm_id"], None)
    raised, *others = by_what.values()
    return [Episode(event, *(one.get(alarm) for one in others)) for alarm, event in raised.items()]


def claim_rows(event: Event) -> Iterator[tuple[str, str]]:
    """Yield title and words of what was claimed, against what, and by which channel."""
    cadence = event.get("cadence_seconds") or 0.0
    if "members" in event:
        yield "rule", f"at least {event['k']} of its series have an open alarm"
        yield "series in alarm", ", ".join(event["members"])
    else:
        yield "rule", rule_and_severity(event["rule"], event["label"], event["severity"])
        scale = event.get("scale") or 1
        means = "" if scale == 1 else f", in means over {scale} ticks"
        length = f" = {duration_in_words(scale * cadence)}" if means and cadence else ""
        yield "channel", f"{event['kind']}, {event['side']}{means}{length}"
        yield "held against", held_against(event)
    number = event.get("tick")
    known = number is not None and number >= 0
    yield "raised", moment(event, event.get("time_us")) + (f" (tick {number:,})" if known else "")
    if "members" in event:
        return
    estimates = estimates_of(event)
    yield "lag 1 then", lag1_in_words(estimates)
    if event.get("recovery_seconds"):
        yield "recovery time then", _recovery_in_words(event)
    for name in event.get("remarks") or ():
        yield f"remark ({name})", REMARKS.get(name, name)


def held_against(event: Event) -> str:
    """Say which own past, or which number, the series was held against."""
    threshold = event["threshold"]
    number = "not recorded" if threshold is None else f"{threshold:.3g}"
    if event["kind"] == SLOWER:
        return f"its own past: lag 1 of {number} ({_OWN_PAST})"
    if event["kind"] == "spread":
        return f"{number} times the variance of its own baseline period"
    if event["kind"] == RISE:
        return f"{number} times the variance of its first values"
    word = "lag 1" if event["kind"] == "lag1" else event["kind"]
    return f"{word} of {number}" + (", set from its own baseline period" if event["relative"] else "")


def receipt_rows(event: Event, *, conditioned: bool = True) -> Iterator[tuple[str, str]]:
    """Yield title and words of the receipt: null hypothesis, guarantee, budget, number, settings."""
    kind, why = guarantee(event, conditioned=conditioned)
    yield "null hypothesis", null_hypothesis(event)
    yield "guarantee", why if kind == "none" else f"{kind}: {why}"
    if kind != "none":
        yield "budget", budget_in_words(event["alpha"])
        if (e_value := e_value_of(event)) is not None:
            line = number_in_words(1.0 / event["alpha"])
            yield "e-value", f"{number_in_words(e_value)}; the alarm line is 1/alpha = {line}"
    yield "settings", event.get("settings") or "not recorded"


def e_value_of(event: Event) -> float | None:
    """Give what the bets had won; None where nothing was bet, or the alarm ended without a number."""
    if "e_value" in event or event.get("evidence") is None or not event.get("alpha"):
        found: float | None = event.get("e_value")
        return found
    return float(10.0 ** event["evidence"] / event["alpha"])  # an event of 0.1.0


def estimates_of(event: Event) -> Estimates[float]:
    """Read the estimates off an event; NaN where a number is not known."""
    numbers = (event.get(name) for name in Estimates._fields)
    return Estimates(*(float("nan") if number is None else number for number in numbers))


def moment(event: Event, time_us: int | None) -> str:
    """Write a moment of an alarm as precisely as its cadence asks."""
    if time_us is None:
        return str(event.get("time"))
    cadence_us = (event.get("cadence_seconds") or 0.0) * MICROSECONDS
    return moment_in_words(time_us, cadence_us if cadence_us >= DAY else 0.0)


def _recovery_in_words(event: Event) -> str:
    low, high = event.get("recovery_low_seconds"), event.get("recovery_high_seconds")
    if high is None and "one_sided" in (event.get("remarks") or ()):
        return SHIFTED
    if high is None:
        band = "band open" if low is None else f"at least {duration_in_words(low)}"
    else:
        band = f"{'up' if low is None else duration_in_words(low)} to {duration_in_words(high)}"
    return f"{duration_in_words(event['recovery_seconds'])} ({band})"
