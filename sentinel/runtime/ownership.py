"""Which source each series belongs to: two lakes must not become one series, and a series may move.

A series belongs to the source that brought it first. Of two that have it when the daemon starts, that is the earlier
one in the settings, whichever answers first. It moves to another source once its own is not configured any more, or is
known not to have it any more; the others are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sentinel.domain.labels import read_key
from sentinel.pipeline.pipeline import PipelineState
from sentinel.sources.claims import Claim


class Ownership:
    """Knows the source of each series, by ids; `order` are the ids in the order of the settings."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = {source: number for number, source in enumerate(order)}
        self._claims: Mapping[str, Claim] = {}
        self._owner: dict[str, str] = {}
        self._state: PipelineState | None = None

    def expect(self, claims: Mapping[str, Claim]) -> None:
        """Note what was seen of the sources before they were started."""
        self._claims = claims

    def follow(self, state: PipelineState) -> None:
        """Bring the owners up to date with a state."""
        former, self._state = self._state, state
        if former is None or former.names is not state.names or former.source_of is not state.source_of:
            self._owner = {name: state.sources[at] for name, at in zip(state.names, state.source_of, strict=True)}
            self._owner |= {name: source for _, name, source in state.retired}

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

    def sort_out(self, names: Iterable[str], source: str) -> tuple[dict[str, str], list[str]]:
        """Tell which of these series of a source belong to another, by name, and which move to this one."""
        foreign: dict[str, str] = {}
        moved: list[str] = []
        for name in names:
            owner = self._owner.get(name)
            if owner == source:
                continue
            if owner is not None and not self._has_left(name, owner):
                foreign[name] = owner
            elif (earlier := self._earlier(name, source)) is not None:
                foreign[name] = earlier
            elif owner is not None:
                moved.append(name)
        return foreign, moved

    def _has_left(self, name: str, owner: str) -> bool:
        """True if its source cannot have the series any more."""
        if owner not in self._order:
            return True
        claim = self._claims.get(owner)
        return claim is not None and claim.former is not None and name not in claim.former

    def _earlier(self, name: str, source: str) -> str | None:
        """Find a source before this one in the settings that has the series too."""
        place = self._order.get(source, len(self._order))
        found = (
            other
            for other, number in self._order.items()
            if number < place and other in self._claims and name in self._claims[other].present
        )
        return next(found, None)
