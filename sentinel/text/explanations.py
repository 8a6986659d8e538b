"""An alarm explained: what was claimed, against which own past, what else looks like it, and its receipt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isnan, log
from textwrap import wrap
from typing import NamedTuple

from sentinel.domain.channels import Estimates, hides_recovery
from sentinel.domain.printing import for_json
from sentinel.domain.spans import duration_in_words, moment_in_words, moment_iso
from sentinel.text import receipts
from sentinel.text.words import SHIFTED, known_recovery, lag1_in_words

WIDTH, TITLE = 110, 20
"""Letters of a line, and of the titles of its rows."""


class Side(NamedTuple):
    """One of the two stretches that are compared. Numbers are NaN where no value tells them."""

    first_us: int
    """End of its first tick."""
    last_us: int
    ticks: int
    values: int
    """Ticks with a value."""
    mean: float
    """Of the values."""
    deviation: float
    """Standard deviation of the values."""
    residual_variance: float
    estimates: Estimates[float]
    """At its last tick."""


class Lookalike(NamedTuple):
    """Another explanation that was looked for."""

    name: str
    found: bool | None
    """None = it could not be looked for."""
    text: str


class Explanation(NamedTuple):
    """Facts about an alarm, read off the ticks up to it."""

    first_us: int
    """End of the first tick that the state rests on: the series' first, or the one behind its last gap."""
    last_us: int
    ticks: int
    values: int
    gaps: int
    """Long gaps before `first_us`, each of which began the series anew."""
    gathered_us: int
    """End of the tick at which evidence was last at or below 1/100 of the alarm line."""
    gathered_ticks: int
    """Ticks from there to the alarm."""
    before: Side | None
    """None where evidence gathered from the first verdict on, so that nothing lies before."""
    since: Side
    lookalikes: tuple[Lookalike, ...]


def explanation_in_words(
    alarm: receipts.Episode, found: Explanation | None, again: Iterable[tuple[str, str]],
    *, conditioned: bool, name_now: str = "", settings_now: str = "",
) -> Iterator[str]:  # fmt: skip
    """Yield the lines of an explanation.

    `again` are rows on how the number was computed anew, which end the receipt; `name_now` and `settings_now` are the
    present name of the series and the fingerprint of the settings in force, empty where they are not known.
    """
    body = alarm.raised
    now = f", now {name_now}" if name_now not in ("", body["series"]) else ""
    yield f"alarm {body['alarm_id']} of {body['series']}{now}: {alarm.standing}"
    yield from wrap(body["text"], WIDTH)
    yield from _section("what was claimed", receipts.claim_rows(body))
    if found is not None:
        yield from _section("how it came", _course(body, found))
        yield from _sides(found, body)
        others = [
            (each.name, {True: "yes: ", False: "no: ", None: ""}[each.found] + each.text) for each in found.lookalikes
        ]
        yield from _section("what else could look like this (a look back, without a budget)", others)
    rows = dict(receipts.receipt_rows(body, conditioned=conditioned))
    if settings_now and body.get("settings"):
        same = body["settings"] == settings_now
        rows["settings"] += " (in force now too)" if same else f" (since changed: {settings_now} now)"
    yield from _section("receipt", [*rows.items(), *again])


def _course(body: receipts.Event, found: Explanation) -> Iterator[tuple[str, str]]:
    yield (
        "gathered since",
        f"{receipts.moment(body, found.gathered_us)}, when evidence was last at or below 1/100 of the alarm line: "
        f"{found.gathered_ticks:,} ticks",
    )
    gaps = f"; started anew after {found.gaps} gap{'s' if found.gaps > 1 else ''}" if found.gaps else ""
    yield (
        "inputs",
        f"{receipts.moment(body, found.first_us)} to {receipts.moment(body, found.last_us)}: {found.ticks:,} ticks, "
        f"{found.values:,} with a value{gaps}",
    )


def _sides(found: Explanation, body: receipts.Event) -> Iterator[str]:
    """Yield a table of both sides."""
    cadence, shifted = body.get("cadence_seconds") or 0.0, "one_sided" in (body.get("remarks") or ())
    sides = [side for side in (found.before, found.since) if side is not None]
    titles = ["before", "since"] if len(sides) == 2 else ["since"]
    rows = [
        ("from", [moment_in_words(side.first_us) for side in sides]),
        ("to", [moment_in_words(side.last_us) for side in sides]),
        ("values", [f"{side.values:,} of {side.ticks:,}" for side in sides]),
        ("mean", [_number(side.mean) for side in sides]),
        ("standard dev.", [_number(side.deviation) for side in sides]),
        ("lag 1 at the end", [lag1_in_words(side.estimates) for side in sides]),
        ("recovery time", [_recovery(side, cadence, shifted=shifted and side is found.since) for side in sides]),
    ]
    yield ""
    yield f"{'both sides':<{TITLE + 2}}" + "".join(f"{title:<28}" for title in titles).rstrip()
    for title, cells in rows:
        yield f"  {title:<{TITLE}}" + "".join(f"{cell:<28}" for cell in cells).rstrip()


def _recovery(side: Side, cadence: float, *, shifted: bool) -> str:
    known, lag1 = known_recovery(side.estimates)
    if known and hides_recovery(side.estimates.lag1_high, shifted=shifted):
        return SHIFTED
    return f"{known} {duration_in_words(-cadence / log(lag1))}" if known and cadence else "-"


def _number(number: float) -> str:
    return "-" if isnan(number) else f"{number:.4g}"


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield title
    for name, words in rows:
        lines = wrap(words, WIDTH - TITLE - 2) or [""]
        yield f"  {name:<{TITLE}}{lines[0]}"
        yield from (f"  {'':<{TITLE}}{line}" for line in lines[1:])


def alarm_as_json(alarm: receipts.Episode) -> dict[str, object]:
    """Give an alarm for programs."""
    return {
        "alarm": alarm.raised["alarm_id"],
        "open": alarm.cleared is None,
        "cleared": None if alarm.cleared is None else alarm.cleared["time"],
        "event": alarm.raised,
    }


def explanation_as_json(
    alarm: receipts.Episode, found: Explanation | None, digest: str, *, conditioned: bool
) -> dict[str, object]:
    """Give an alarm, its receipt and its course for programs; null is not known."""
    body = alarm.raised
    kind, why = receipts.guarantee(body, conditioned=conditioned)
    receipt: dict[str, object] = {
        "null_hypothesis": receipts.null_hypothesis(body), "guarantee": kind, "why": why, "alpha": body["alpha"],
        "e_value": receipts.e_value_of(body), "settings": body.get("settings"), "digest": digest or None,
        "inputs": None if found is None else {
            "first": moment_iso(found.first_us), "last": moment_iso(found.last_us),
            "ticks": found.ticks, "values": found.values, "gaps": found.gaps,
        },
    }  # fmt: skip
    course = None if found is None else {
        "gathered_since": moment_iso(found.gathered_us), "gathered_ticks": found.gathered_ticks,
        "before": found.before and _side_as_json(found.before), "since": _side_as_json(found.since),
        "lookalikes": [each._asdict() for each in found.lookalikes],
    }  # fmt: skip
    return alarm_as_json(alarm) | {"receipt": receipt, "course": course}


def _side_as_json(side: Side) -> dict[str, object]:
    numbers = side._asdict() | side.estimates._asdict()
    first, last = moment_iso(numbers.pop("first_us")), moment_iso(numbers.pop("last_us"))
    del numbers["estimates"]
    return {"first": first, "last": last, **for_json(numbers)}
