"""Alarm events: what the pipeline reports when an alarm of a series or a site is raised or cleared. Data only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any, NamedTuple

from sentinel.domain.channels import UNKNOWN, Estimates
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.gates import REBASE, RESET

WITHDRAWN, CORRECTED, SETTINGS = "withdrawn", "corrected", "settings"
GAP, NEW_LEVEL, COUNTERPART_LOST, COUNTERPART_BACK = "gap", "new_level", "counterpart_lost", "counterpart_back"
RETIRED, FORGOTTEN, BEGUN_ANEW = "retired", "forgotten", "begun_anew"
ENDED_BY = {
    RESET: "by a declared reset", REBASE: "by a declared rebase",
    WITHDRAWN: "by corrected values", CORRECTED: "by corrected values", SETTINGS: "by a change of settings",
    GAP: "by a gap", NEW_LEVEL: "by a new level",
    COUNTERPART_LOST: "by the loss of its counterpart", COUNTERPART_BACK: "by the return of its counterpart",
    RETIRED: "by retiring the series", FORGOTTEN: "by forgetting the series", BEGUN_ANEW: "by a new beginning",
}  # fmt: skip
"""Causes of ends that are no recovery, in words behind `ended`. Values corrected since do not raise one that
is `WITHDRAWN`, and raise one that is `CORRECTED` and had ended it by then."""
REMARK_NAMES = ("one_sided", "noise")
"""Why an alarm on lag 1 may not be slowing; the order is that of their bits. The sentences are in `text.words`."""


def remark_names(bits: int) -> tuple[str, ...]:
    """Names of the remarks that are set."""
    return tuple(name for at, name in enumerate(REMARK_NAMES) if bits >> at & 1)


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
    """Kind of the rule: `slower`, `lag1`, `modulus`, `spread`, `rise` or `weighted`."""
    label: str
    """Name of the rule within its kind: `0.8`, `below -0.5`, `relative`, `1.5x`, `warning`."""
    kind: str
    """Channel that gave most evidence: `slower`, `lag1`, `modulus`, `spread` or `rise`."""
    side: str
    """`above` or `below` the threshold; `swinging` for an oscillation of kind slower."""
    relative: bool
    threshold: float
    """Effective threshold of that channel; of spread the variance ratio."""
    remarks: tuple[str, ...]
    """Why it may not be slowing: names in `REMARK_NAMES`; none for a plain alarm."""
    alpha: float
    """Effective: budgeted false alarms per series and tick."""
    severity: str
    time_us: int
    """End of the tick."""
    evidence: float
    estimates: Estimates[float]
    cadence_us: int
    scale: int = 1
    """Ticks over which means were taken; more than 1 in rules of kind slower only."""
    tick: int = -1
    """Number of that tick on the grid of the series; -1 = not known."""
    ended_by: str = ""
    """Cause of an end that is no recovery, of `ENDED_BY`; empty otherwise, and where it is not known."""
    gap_ticks: int = 0
    """Ticks without a value after which a gap ended it; 0 = it was no gap, or values were missing here and there."""

    @property
    def e_value(self) -> float:
        """The wealth that the bets have won; the alarm line is 1 / alpha. NaN where nothing was bet."""
        return 10.0**self.evidence / self.alpha if self.alpha > 0.0 and self.evidence < 290.0 else nan


def read_event(body: Mapping[str, Any]) -> AlarmEvent:
    """Read an event of a series off its JSON body; numbers that are not known there are NaN."""
    facts = {name: body[name] for name in AlarmEvent._fields if name in body}
    numbers = {name: nan if facts[name] is None else facts[name] for name in ("threshold", "evidence")}
    estimates = (body.get(name) for name in Estimates._fields)
    cadence_us = round((body.get("cadence_seconds") or 0.0) * MICROSECONDS)
    return AlarmEvent(**{
        **facts, **numbers, "remarks": tuple(body["remarks"]), "cadence_us": cadence_us,
        "estimates": Estimates(*(nan if number is None else number for number in estimates)),
    })  # fmt: skip


def clear(raised: Mapping[str, Any], time_us: int) -> AlarmEvent:
    """End an alarm, given the JSON body of the event that raised it; the numbers of its end are not known."""
    return read_event(raised)._replace(
        id=f"{raised['alarm_id']}/cleared", what="cleared", evidence=nan, estimates=UNKNOWN, time_us=time_us,
        cadence_us=0, tick=-1,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SiteEvent:
    """A site's alarm that was raised or cleared."""

    id: str
    """The same for the same event in every replay: `ALARM/raised` or `ALARM/cleared`."""
    alarm_id: str
    what: str
    """`raised` or `cleared`."""
    series: str
    """Name of the site."""
    members: tuple[str, ...]
    """Series with an open alarm."""
    k: int
    kind: str
    """Kind of the alarms that count."""
    time_us: int
    severity: str = "warning"
    ended_by: str = ""
    """`SETTINGS`, where the site was taken out of them or is another now; empty otherwise."""
