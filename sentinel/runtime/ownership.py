"""Ownership of series by sources: two lakes must not become one series, and a series may move.

A series belongs to the source that had it at an earlier start. Of two that have it when the daemon starts, or that
bring it later, it is that of the earlier one in the settings, whichever answers first: if the other one did, the series
starts afresh. It moves to another source, too, once its own is not configured any more, or is known not to have it any
more; the others are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sentinel.domain.labels import read_key
from sentinel.pipeline.pipeline import PipelineState
from sentinel.sources.claims import Claim


class Sorted(NamedTuple):
    """Series of a frame that are not simply those of its source."""

    foreign: dict[str, str]
    """Those of another source, with its id: they are refused."""
    moved: list[str]
    """Those that belonged to another source and are of this one from now on."""
    anew: list[str]
    """Those of the moved ones that start afresh, as both sources have them."""


class Ownership:
    """Knows the source of each series, by ids; `order` are the ids in the order of the settings."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = {source: number for number, source in enumerate(order)}
        self._claims: Mapping[str, Claim] = {}
        self._owner: dict[str, str] = {}
        self._at_start: frozenset[str] | None = None
        """Series that were known when the daemon started."""
        self._followed: tuple[object, object] = None, None
        """Names and sources of the series then; no more of the state, which is large."""

    def expect(self, claims: Mapping[str, Claim]) -> None:
        """Note what was seen of the sources before they were started."""
        self._claims = claims

    def follow(self, state: PipelineState) -> None:
        """Bring the owners up to date with a state."""
        names, source_of = self._followed
        if names is not state.names or source_of is not state.source_of:
            self._followed = state.names, state.source_of
            self._owner = {name: state.sources[at] for name, at in zip(state.names, state.source_of, strict=True)}
            self._owner |= {name: source for _, name, source in state.retired}
            if self._at_start is None:
                self._at_start = frozenset(self._owner)

    def __contains__(self, name: object) -> bool:
        """True if the series has been seen before."""
        return name in self._owner

    def belongs(self, name: str, source: str) -> bool:
        """True if the series has been seen before and is of this source."""
        return self._owner.get(name) == source

    def gets_labels(self, names: Iterable[str], source: str) -> str | None:
        """Give a new series with labels where the source has had series without, of one of which it may be the heir."""
        new = next((name for name in names if name not in self._owner and read_key(name).labels), None)
        if new is None:
            return None
        former = (name for name, owner in self._owner.items() if owner == source)
        return new if any(not read_key(name).labels for name in former) else None

    def sort_out(self, names: Iterable[str], source: str) -> Sorted:
        """Tell which of these series of a source belong to another, and which move to this one."""
        foreign, moved, anew = found = Sorted({}, [], [])
        for name in names:
            owner = self._owner.get(name)
            if owner == source:
                continue
            if owner is not None and not self._has_left(name, owner):
                if self._comes_before(name, source, owner):
                    moved.append(name)
                    anew.append(name)
                else:
                    foreign[name] = owner
            elif (earlier := self._earlier(name, source)) is not None:
                foreign[name] = earlier
            elif owner is not None:
                moved.append(name)
        return found

    def _has_left(self, name: str, owner: str) -> bool:
        """True if its source cannot have the series any more."""
        if owner not in self._order:
            return True
        claim = self._claims.get(owner)
        return claim is not None and claim.former is not None and name not in claim.former

    def _comes_before(self, name: str, source: str, owner: str) -> bool:
        """True if a series that nobody had at the start is that of this source by the order of the settings."""
        known = self._at_start is None or name in self._at_start
        seen = owner in self._claims and name in self._claims[owner].present
        return not known and not seen and self._order.get(source, len(self._order)) < self._order[owner]

    def _earlier(self, name: str, source: str) -> str | None:
        """Find a source before this one in the settings that has the series too."""
        place = self._order.get(source, len(self._order))
        found = (
            other
            for other, number in self._order.items()
            if number < place and other in self._claims and name in self._claims[other].present
        )
        return next(found, None)
