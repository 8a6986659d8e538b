"""Alarms as they would have been with the values that are known now: confirmed, withdrawn, or newly raised.

The journal keeps the first value of each series and time, on which verdicts were given, and beside it what corrected it
later. Here the journal is replayed once more with the latest corrections in the place of the first values, each at the
moment at which the first one came: what was known then and what is known now can be laid side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.journal import Committed, Journal, group_joined
from sentinel.runtime.replica import Replica
from sentinel.text.claims import body_of

CONFIRMED, WITHDRAWN, RAISED = "confirmed", "withdrawn", "newly raised"
_END = 1 << 62


class Amended(NamedTuple):
    """The verdict on an alarm after a correction."""

    verdict: str
    body: Mapping[str, Any]
    """The event that raised it: the one that was sent, or of a new one that which follows now."""


class _Episode(NamedTuple):
    body: Mapping[str, Any]
    end_us: int

    def overlaps(self, other: _Episode) -> bool:
        one, two = self.body, other.body
        same = (one["series"], one["rule"], one["label"]) == (two["series"], two["rule"], two["label"])
        return same and bool(one["time_us"] <= other.end_us and two["time_us"] <= self.end_us)


def amend(journal: Journal) -> list[Amended]:
    """Say of every alarm of a series whether it stands, by the corrected values; those in order of time.

    Raises JournalForgotten where retention has forgotten the journal's beginning.
    """
    sent = list(_episodes(kept.body for kept in journal.events()))
    replica, bodies = Replica(Settings()), []
    for joined in group_joined(with_corrections(journal)):
        result = replica.apply(*joined)
        bodies += [body_of(event) for event in result.events]
    now = list(_episodes(bodies))
    found = [
        Amended(CONFIRMED if any(map(episode.overlaps, now)) else WITHDRAWN, episode.body) for episode in sent
    ] + [Amended(RAISED, episode.body) for episode in now if not any(map(episode.overlaps, sent))]  # fmt: skip
    return sorted(found, key=lambda one: (one.body["time_us"], one.body["series"], one.body["alarm_id"]))


def with_corrections(journal: Journal) -> Iterator[Committed]:
    """Read the journal from its beginning with the latest value of each series and time in the place of the first."""
    latest = _latest(journal)
    for committed in journal.tail(0):
        mine = latest.get(committed.batch)
        if mine is None:
            yield committed
            continue
        value = committed.value.copy()
        value[mine[0]] = mine[1]
        yield replace(committed, value=value)


def _latest(journal: Journal) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Find by batch which of its observations were corrected, and the latest value of each."""
    latest: dict[tuple[int, int], float] = {}
    for committed in journal.tail(0):
        time_us, series, value = (column.tolist() for column in committed.corrections)
        latest.update(zip(zip(time_us, series, strict=True), value, strict=True))
    found = {}
    times = np.unique(np.array([time_us for time_us, _ in latest], np.int64))
    for committed in journal.tail(0) if latest else ():
        near = np.flatnonzero(np.isin(committed.time_us, times))
        keys = zip(committed.time_us[near].tolist(), committed.series[near].tolist(), strict=True)
        new = [(at, latest[key]) for at, key in zip(near.tolist(), keys, strict=True) if key in latest]
        if new:
            at, value = zip(*new, strict=True)
            found[committed.batch] = np.array(at, np.int64), np.array(value, np.float64)
    return found


def _episodes(bodies: Iterable[Mapping[str, Any]]) -> Iterator[_Episode]:
    """Pair what raised alarms of series with what ended them; a site's alarms have members, and are left out."""
    raised: dict[str, Mapping[str, Any]] = {}
    for body in bodies:
        if body["what"] == "raised" and "members" not in body:
            raised[body["alarm_id"]] = body
        elif body["what"] == "cleared" and body["alarm_id"] in raised:
            yield _Episode(raised.pop(body["alarm_id"]), body["time_us"])
    yield from (_Episode(body, _END) for body in raised.values())
