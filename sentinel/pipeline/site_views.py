"""How each site stands, for readers: who alarms, who could, and whether that is enough for the site to alarm at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sentinel.config import SiteSettings
from sentinel.domain.views import SiteView
from sentinel.pipeline.alarm import BLIND, LEARNING
from sentinel.pipeline.sites import SiteState, SiteStates

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def site_views(
    sites: Sequence[SiteSettings], states: SiteStates, names: tuple[str, ...], variable: Ints, codes: Ints,
    watched: Callable[[str], Flags],
) -> Iterator[SiteView]:  # fmt: skip
    """Every site in the order of the settings.

    Parameters
    ----------
    names
        Of all series, by id.
    variable
        By id: the series that a paired series compares; of any other series itself.
    codes
        By id: the state, as in `alarm.STATES`.
    watched
        Given the kind of alarms that count, by id: whether a rule can raise one.
    """
    members = _members(names, tuple(site.match for site in sites))
    for site, matching in zip(sites, members, strict=True):
        ids = matching[watched(site.kind)[matching]]
        yield _view(site, states.get(site.name, SiteState()), names, ids, variable[ids], codes[ids])


@lru_cache(maxsize=2)
def _members(names: tuple[str, ...], matches: tuple[str, ...]) -> tuple[Ints, ...]:
    """Ids of the series of each site; names seldom change, and a page asks every few seconds."""
    return tuple(
        np.array([i for i, name in enumerate(names) if fnmatchcase(name, match)], np.int64) for match in matches
    )


def _view(
    site: SiteSettings, state: SiteState, names: tuple[str, ...], ids: Ints, variables: Ints, codes: Ints
) -> SiteView:
    id_of = {names[i]: at for at, i in enumerate(ids.tolist())}
    alarmed = sorted({held.series for held in state.alarms.values()} & id_of.keys())
    fresh = {held.series for held in state.alarms.values() if not held.spent} & id_of.keys()
    # What has an open alarm that has not counted yet can still make the site alarm, blind or not.
    able = set(variables[(codes != BLIND) & (codes != LEARNING)].tolist()) | {int(variables[id_of[n]]) for n in fresh}
    blind = set(variables[codes == BLIND].tolist()) - able
    return SiteView(
        name=site.name, match=site.match, k=site.k, kind=site.kind, since_us=state.raised_us,
        alarmed=tuple(alarmed), alarmed_count=len({int(variables[id_of[name]]) for name in alarmed}),
        series_count=len(set(variables.tolist())), able_count=len(able), blind_count=len(blind),
    )  # fmt: skip
