"""Events that drive the gates of series: maintenance, calibration, a changed sensor, an intervention. Data only.

The *input gate* of a series closes for a time (hold), or its *forget gate* closes once: for everything (reset), or for
level and evidence only (rebase).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

HOLD, RESET, REBASE = "hold", "reset", "rebase"
DEFAULT_GATES: Mapping[str, str] = {
    "maintenance": HOLD, "calibration": REBASE, "sensor_change": REBASE, "intervention": RESET,
}  # fmt: skip
"""Kinds of events, each with the gate that it drives unless another one is named."""
FOREVER_US = (1 << 62) - 1
"""End of what has none."""
SHORTEST_EVERY_US = 3_600_000_000
"""Events recur once an hour at most: a long silence is then still passed over at once."""


class GateEvent(NamedTuple):
    """One declared event."""

    kind: str
    gate: str
    start_us: int
    end_us: int
    """The input gate is closed from start to before end; `reset` and `rebase` act at the end. Equal = a moment."""
    match: str = "*"
    """Series names, with * ? [abc]."""
    source: str = ""
    """Only series of this source; empty = of any."""
    every_us: int = 0
    """It comes again after this long; 0 = never."""
    until_us: int = FOREVER_US
    """It does not begin again from here on."""
    note: str = ""
    by: str = ""

    @property
    def id(self) -> str:
        """The same for the same event, however often it is sent."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()[:10]

    @property
    def last_us(self) -> int:
        """End of its last time."""
        if not self.every_us:
            return self.end_us
        return min(FOREVER_US, self.until_us + self.end_us - self.start_us)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> GateEvent:
        """Read what `_asdict` gave; what a later version added is left out."""
        return cls(**{name: record[name] for name in cls._fields if name in record})
