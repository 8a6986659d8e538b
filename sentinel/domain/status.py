"""What the daemon knows about its sources: plain facts, which its health, the page and the demo read."""

from __future__ import annotations

from dataclasses import dataclass

from sentinel.domain.spelling import NEVER_US


@dataclass(slots=True)
class SourceStatus:
    """One source since the daemon's start.

    The thread that fetches writes the upper half, the engine's thread the lower: no field has two writers.
    """

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
        """Whether it has been fetched, or has failed, at least once."""
        return self.last_success_us != NEVER_US or self.last_failure_us != NEVER_US
