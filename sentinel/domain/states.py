"""The five states of a series, and the reasons for being in one."""

from __future__ import annotations

from enum import Enum


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
