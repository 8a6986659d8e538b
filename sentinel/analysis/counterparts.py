"""A recorded series whose reference is nowhere in the record: in a live stream it may still come, here it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from sentinel.config import Settings, or_else
from sentinel.domain.errors import DataError


def refuse_absent_counterparts(settings: Settings, names: Sequence[str], where: str) -> None:
    """Refuse a reference that no series of the data has; where `*` gives several, one of them is enough.

    Raises
    ------
    DataError
        None of the references that an entry of the settings names is there.
    """
    known = set(names)
    absent: dict[str, tuple[str, str]] = {}
    present: set[str] = set()
    for name in names:
        entry, reference = settings.series_for(name), settings.counterpart_for(name)
        if reference in known:
            present.add(entry.match)
        elif reference is not None:
            absent.setdefault(entry.match, (name, reference))
    for match, (name, reference) in absent.items():
        if match not in present:
            others = [other for other in names if other != name]
            allowed = or_else(reference, others[:20], "series")
            raise DataError(f"{where}: no series {reference!r}, the reference of {name!r}; {allowed}")
