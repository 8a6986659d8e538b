"""The plans of many series: one is made for all series that match the same entries of the settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sentinel.config import Settings
from sentinel.domain.spans import Cadence
from sentinel.pipeline.comparisons import Comparisons
from sentinel.pipeline.plan import Plan, plan_of

Ints = NDArray[np.int64]


class Plans:
    """The plans under some settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._plans: dict[Hashable, Plan] = {}

    def find(self, target: str, name: str, cadence: Cadence, *, conditioning: bool) -> Plan:
        """Return the plan of the series `name`; of a comparison its target has another name."""
        own = None if name == target else self._settings.entry_key(name)
        key = self._settings.entry_key(target), own, cadence, conditioning
        if key not in self._plans:
            self._plans[key] = plan_of(self._settings, target, name, cadence, conditioning=conditioning)
        return self._plans[key]


class SeriesPlans:
    """The plans of the series of a state, whose cadences may have been learnt, under some settings."""

    def __init__(self, settings: Settings, plans: Plans, names: Sequence[str], comparisons: Comparisons) -> None:
        self._settings, self._plans, self._names = settings, plans, names
        numbers: dict[Hashable, int] = {}
        own = np.array([numbers.setdefault(key, len(numbers)) for key in map(settings.entry_key, names)], np.int64)
        everyone = np.arange(own.size)
        self._target = everyone.copy()
        self._target[comparisons.own] = comparisons.target
        # Equal codes: the same entries for the series and for its target, so one plan on one cadence.
        self._code = own[self._target] * (len(numbers) + 1) + np.where(self._target == everyone, 0, own + 1)

    def divide(self, ids: Ints, cadence: Cadence, *, conditioning: bool) -> Iterator[tuple[Plan, Ints]]:
        """Divide series by plan: each plan, and the positions in `ids` that have it; negative ids are left out.

        `cadence` is theirs where the settings have none.
        """
        found: dict[Plan, list[Ints]] = defaultdict(list)
        known = np.flatnonzero(ids >= 0)
        codes, first, of = np.unique(self._code[ids[known]], return_index=True, return_inverse=True)
        for at in range(codes.size):
            series = int(ids[known[first[at]]])
            target = self._names[self._target[series]]
            own = self._settings.series_for(target).cadence or cadence
            plan = self._plans.find(target, self._names[series], own, conditioning=conditioning)
            found[plan].append(known[of == at])
        for plan, several in found.items():
            yield plan, np.sort(np.concatenate(several))
