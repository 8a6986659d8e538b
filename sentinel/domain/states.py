"""The state that a series is in and why, and what the daemon knows about a source: plain facts for every reader."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sentinel.domain.spelling import NEVER_US


class State(Enum):
    """State of a series; the value is its name in metrics, page, files and messages."""

    LEARNING = "learning"
    WATCHING = "watching"
    WARNING = "warning"
    CRITICAL = "critical"
    BLIND = "blind"


class Reason(Enum):
    """Why a series is blind, or what it is still learning; NONE otherwise."""

    NONE = ""
    WARM_UP = "warm_up"
    CADENCE = "cadence"
    STALE = "stale"
    GAP = "gap"
    STUCK = "stuck"
    TOO_COARSE = "too_coarse"
    OUT_OF_RANGE = "out_of_range"
    IMPLAUSIBLE = "implausible"
    BASELINE = "reference"
    SPACING = "spacing"
    COUNTERPART_MISSING = "reference_missing"
    COUNTERPART_BEHIND = "reference_behind"


STATES = tuple(State)
REASONS = tuple(Reason)


@dataclass(slots=True)
class SourceStatus:
    """One source since the daemon's start. The thread that fetches writes the upper half, the engine's the lower."""

    name: str
    last_success_us: int = NEVER_US
    last_failure_us: int = NEVER_US
    up: bool = False
    """The last fetch succeeded."""
    fetches: int = 0
    """Failed ones included."""
    failed: int = 0
    """Fetches that failed."""

    refused: int = 0
    """Frames that the journal refused."""
    received: int = 0
    accepted: int = 0
    rejected: int = 0
    late: int = 0
    newest_us: int | None = None
    """Newest event time, which may lie before 1970; None before the first observation."""

    @property
    def has_answered(self) -> bool:
        """True if it has been fetched, or has failed, at least once."""
        return self.last_success_us != NEVER_US or self.last_failure_us != NEVER_US
