"""Sites: several variables of one place, which alarm when at least k of their series do.

Alarm events go in, in order of time, and site events come out. A site is *raised* when k of its series have an open
alarm, raised within `within` of each other, none of which has counted before; it is *cleared* when fewer than k have
one.

Budget. Every site alarm uses up at least k alarms of different series, and no alarm is used twice, so there are at most
1/k times as many: with n series and a budget of alpha each, `E[site alarms in T ticks] <= n alpha T / k`, whatever the
series have in common. That is a theorem where the series' own budget is one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from sentinel.config import SiteSettings
from sentinel.domain.events import SETTINGS, AlarmEvent, SiteEvent
from sentinel.domain.labels import fits
from sentinel.domain.states import STATES, SiteView, State
from sentinel.pipeline.arrays import Flags, Ints

BLIND, LEARNING = STATES.index(State.BLIND), STATES.index(State.LEARNING)


@dataclass(frozen=True, slots=True)
class Open:
    """An alarm that is open."""

    series: str
    raised_us: int
    spent: bool = False
    """It has counted for an alarm of the site."""


@dataclass(frozen=True, slots=True)
class SiteState:
    """The state of one site."""

    alarms: Mapping[str, Open] = field(default_factory=dict)
    """Open alarms of its series by id."""
    raised_us: int = -1
    """When its own alarm was raised; -1 while there is none."""


SiteStates = Mapping[str, SiteState]
"""By name of the site; one that never had an alarm is left out."""


def advance(
    sites: Sequence[SiteSettings], states: SiteStates, events: Iterable[AlarmEvent], variable_of: Mapping[str, str]
) -> tuple[SiteStates, tuple[SiteEvent, ...]]:
    """Take in alarms raised and cleared, in order of time; `states` is not modified.

    `variable_of` is the target of each comparison: both are one variable of the site and count once.
    """
    new = dict(states)
    found: list[SiteEvent] = []
    for event in events:
        for site in sites:
            before = new.get(site.name, SiteState())
            # An alarm that counts ends, whatever its series is called by then, and counts once.
            if (event.what == "cleared") if event.alarm_id in before.alarms else _is_of(site, event):
                new[site.name], moved = _take(site, before, event, variable_of)
                found.extend(moved)
    return new, tuple(found)


def _is_of(site: SiteSettings, event: AlarmEvent) -> bool:
    return fits(event.series, site.match) and site.kind in ("any", event.kind)


def end_alarms(sites: Iterable[SiteSettings], states: SiteStates, now_us: int) -> tuple[SiteStates, list[SiteEvent]]:
    """Forget sites that are not in the settings any more, as they were; their alarms end."""
    ended = [
        replace(_event(site, states[site.name].alarms, "cleared", raised_us, now_us), ended_by=SETTINGS)
        for site in sites if site.name in states and (raised_us := states[site.name].raised_us) >= 0
    ]  # fmt: skip
    gone = {site.name for site in sites}
    return {name: state for name, state in states.items() if name not in gone}, ended


def _take(
    site: SiteSettings, state: SiteState, event: AlarmEvent, variable_of: Mapping[str, str]
) -> tuple[SiteState, Sequence[SiteEvent]]:
    """Take in an alarm event of one of the site's series."""
    alarms = {alarm: held for alarm, held in state.alarms.items() if alarm != event.alarm_id}
    if event.what == "raised":
        alarms[event.alarm_id] = Open(event.series, event.time_us)
    variables = {variable_of.get(held.series, held.series) for held in alarms.values()}
    if state.raised_us >= 0:
        if len(variables) >= site.k:
            return replace(state, alarms=alarms), ()
        return SiteState(alarms), [_event(site, alarms, "cleared", state.raised_us, event.time_us)]
    counted = _count_alarms(site, alarms, event.time_us, variable_of) if event.what == "raised" else ()
    if not counted:
        return SiteState(alarms), ()
    newest_us = max(alarms[alarm].raised_us for alarm in counted)
    alarms |= {alarm: replace(alarms[alarm], spent=True) for alarm in counted}
    return SiteState(alarms, newest_us), [_event(site, alarms, "raised", newest_us, newest_us)]


def _count_alarms(
    site: SiteSettings, alarms: Mapping[str, Open], now_us: int, variable_of: Mapping[str, str]
) -> Sequence[str]:
    """Find the alarms that count for an alarm of the site; none if they are of fewer than k series.

    One that was raised at `now_us` is new; later ones are there where a site counts what is open already.
    """
    fresh = {alarm: held for alarm, held in alarms.items() if not held.spent}
    for end_us in sorted({held.raised_us for held in fresh.values() if held.raised_us >= now_us}):
        near = [
            alarm for alarm, held in fresh.items()
            if held.raised_us <= end_us and (site.within is None or end_us - held.raised_us <= site.within)
        ]  # fmt: skip
        if len({variable_of.get(fresh[alarm].series, fresh[alarm].series) for alarm in near}) >= site.k:
            return near
    return ()


def _event(site: SiteSettings, alarms: Mapping[str, Open], what: str, raised_us: int, time_us: int) -> SiteEvent:
    alarm = hashlib.sha256(f"site\n{site.name}\n{site.k}\n{site.kind}\n{raised_us}".encode()).hexdigest()[:12]
    members = tuple(sorted({held.series for held in alarms.values()}))
    return SiteEvent(f"{alarm}/{what}", alarm, what, site.name, members, site.k, site.kind, time_us)


def without_enough(sites: Sequence[SiteSettings], variables: Iterable[Sequence[str]]) -> Iterator[str]:
    """Say, in a line for each, which sites these series can never make alarm.

    `variables` are for each series the names it is judged by: its own, and that of its comparison with a counterpart.
    """
    known = list(variables)
    for site in sites:
        count = sum(any(fits(name, site.match) for name in names) for names in known)
        if count < site.k:
            verb = "matches" if count == 1 else "match"
            yield f"site {site.name}: {count} series {verb} '{site.match}', {site.k} are needed; it can never alarm"


def rename_in_sites(states: SiteStates, names: Mapping[str, str]) -> SiteStates:
    """Give series with an open alarm their new names."""
    return {
        site: replace(state, alarms={
            alarm: replace(held, series=names.get(held.series, held.series)) for alarm, held in state.alarms.items()
        })
        for site, state in states.items()
    }  # fmt: skip


def to_record(states: SiteStates) -> dict[str, Any]:
    """Turn the states into JSON-ready data."""
    return {name: asdict(state) for name, state in states.items()}


def from_record(record: Mapping[str, Any]) -> SiteStates:
    """Build the states that `to_record` took apart."""
    return {
        name: SiteState({alarm: Open(**held) for alarm, held in state["alarms"].items()}, int(state["raised_us"]))
        for name, state in record.items()
    }


def view_sites(
    sites: Sequence[SiteSettings], states: SiteStates, names: tuple[str, ...], variable: Ints,
    codes: Ints, watched: Callable[[str], tuple[Flags, Flags]],
) -> Iterator[SiteView]:  # fmt: skip
    """Make the views of the sites, in the order of the settings.

    By id of the series: their `names`; `variable`, the target of a comparison, any other series itself; `codes`, the
    state as index into `tuple(State)`; and what `watched` gives: whether a rule can raise an alarm of that kind, and
    whether all that can are held, so that none can now.
    """
    for site, matching in zip(sites, _match_names(names, tuple(site.match for site in sites)), strict=True):
        able_at_all, held = watched(site.kind)
        ids = matching[able_at_all[matching]]
        state, variables, code = states.get(site.name, SiteState()), variable[ids], codes[ids]
        judged = (code != BLIND) & (code != LEARNING)
        variable_of = dict(zip([names[i] for i in ids.tolist()], variables.tolist(), strict=True))
        alarmed = {held.series for held in state.alarms.values()} & variable_of.keys()
        fresh = {held.series for held in state.alarms.values() if not held.spent} & variable_of.keys()
        # What has an open alarm that has not counted yet can still make the site alarm, blind or not.
        able = {*variables[judged & ~held[ids]].tolist(), *(variable_of[name] for name in fresh)}
        waits = set(variables[judged & held[ids]].tolist()) - able
        blind = set(variables[code == BLIND].tolist()) - able - waits
        yield SiteView(
            name=site.name, match=site.match, k=site.k, kind=site.kind, since_us=state.raised_us,
            alarmed=tuple(sorted(alarmed)), alarmed_count=len({variable_of[name] for name in alarmed}),
            series_count=len(set(variables.tolist())), able_count=len(able), blind_count=len(blind),
            held_count=len(waits),
        )  # fmt: skip


@lru_cache(maxsize=2)
def _match_names(names: tuple[str, ...], matches: tuple[str, ...]) -> tuple[Ints, ...]:
    """Find the ids of the series of each site; names seldom change, and a page asks every few seconds."""
    return tuple(np.array([i for i, name in enumerate(names) if fits(name, match)], np.int64) for match in matches)
