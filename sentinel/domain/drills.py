"""Drills: an artificial series is led through the whole chain, to see that an alarm would reach people. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

DRILL = "drill"
"""Name of the series and of its source, severity of its alarm, and what an operator asks for."""
ENGINE, SOURCE, DETECTOR, RULE, JOURNAL = "engine", "source", "detector", "rule", "journal"
"""Links of the chain before the receivers, in their order."""


def receiver_link(sink: str, *, ended: bool = False) -> str:
    """Name the link of a receiver: it is told of the alarm, and of its end."""
    return f"{'end at ' if ended else ''}receiver {sink}"


class Link(NamedTuple):
    """One link of the chain: it has held, it has failed, or nothing has come to it yet."""

    name: str
    seconds: float | None = None
    """When it had done its part, counted from the beginning of the drill."""
    why: str = ""
    """Fault of it; empty if it held."""


class DrillView(NamedTuple):
    """A drill as it stands."""

    id: str = ""
    """Also that of its alarm; empty = there has been none."""
    began_us: int = -1
    links: tuple[Link, ...] = ()
    ended: bool = False
    patience_seconds: float = 0.0
    """Whoever waits may give up after so long without a further link."""
    skipped: str = ""
    """Reason why none is made now; empty where one is."""

    @property
    def failed(self) -> tuple[Link, ...]:
        """Links that have failed."""
        return tuple(link for link in self.links if link.why)

    @property
    def worked(self) -> bool:
        """True once every link has done its part."""
        return self.ended and all(link.seconds is not None for link in self.links)

    def to_record(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return self._asdict()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> DrillView:
        """Read what `to_record` gave."""
        return cls(**{**record, "links": tuple(Link(*link) for link in record["links"])})


def is_drill(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is of a drill."""
    return bool(event.get(DRILL))
