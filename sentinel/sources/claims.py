"""Series of the sources before they are started, and those that two sources have."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from threading import Thread
from time import monotonic
from typing import NamedTuple

from sentinel.sources.base import Source

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Bound on the look at all sources: one on a dead network disk must not hold up the others."""
NAMED = 5


class Claim(NamedTuple):
    """First look at a source, before it is started."""

    present: frozenset[str]
    """Series that are there, as far as its first rows tell."""
    former: frozenset[str] | None
    """All series that it can have, or had under an earlier prefix; None = unknown."""


def look_at(sources: Iterable[Source], seconds: float = LOOK_SECONDS) -> dict[str, Claim]:
    """Look which series the sources have now, by their ids; one that does not answer in time is left out."""
    claims: dict[str, Claim] = {}

    def look(source: Source) -> None:
        try:
            claims[source.id] = Claim(source.present_series(), source.former_series())
        except Exception as error:  # noqa: BLE001 - the first fetch says what is wrong
            logger.debug("source cannot be looked at", extra={"source": source.name, "why": str(error)})

    threads = [Thread(target=look, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    until = monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - monotonic()))
    return dict(claims)


def shared_series(sources: Sequence[Source], claims: Mapping[str, Claim]) -> Iterator[str]:
    """Say of each two sources which series both have; one line each."""
    for one, other in combinations([source for source in sources if source.id in claims], 2):
        both = sorted(claims[one.id].present & claims[other.id].present)
        if both:
            more = f" and {len(both) - NAMED:,} more" if len(both) > NAMED else ""
            yield (
                f"sources {one.name} and {other.name} both have {', '.join(both[:NAMED])}{more}; each series has one "
                f"source, so {other.name} is refused where no earlier start decided otherwise; give one of them a "
                "prefix, such as prefix: " + f'"{other.name}/"'
            )
