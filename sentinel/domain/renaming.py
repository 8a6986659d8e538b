"""Names of series that an operator renamed: each is known under all the names it ever had.

The journal knows a series by its first name, for ever; readers know it by the present one. What its source sends under
an earlier name is its own, so that a source may be told of the new name before or after.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

Renamed = tuple[tuple[str, ...], ...]
"""The names of each renamed series, from the first to the present one."""


def add_name(renamed: Renamed, old: str, new: str) -> Renamed:
    """Note that the series of the present name `old` is called `new` from now on; whoever was called so is no more."""
    kept = tuple(names for names in renamed if names[-1] not in (old, new))
    former = next((names for names in renamed if names[-1] == old), (old,))
    return (*kept, (*former, new))


@lru_cache(maxsize=8)
def present_names(renamed: Renamed) -> Mapping[str, str]:
    """Give the present name for every earlier one."""
    return {name: names[-1] for names in renamed for name in names[:-1] if name != names[-1]}


@lru_cache(maxsize=8)
def first_names(renamed: Renamed) -> Mapping[str, str]:
    """Give the first name for every present one that is another."""
    return {names[-1]: names[0] for names in renamed if names[-1] != names[0]}
