"""Rise: an alarm is open while the spread itself is above a line.

A number is held against a line; nothing is bet. So no theorem bounds how often that is wrong: it can only be measured.
Evidence by betting needs more values than a short season has.
"""

from __future__ import annotations

import math

import numpy as np

from detectors.arrays import Flags, Floats
from detectors.ledger import FLOOR, EvidenceBlock


def hold_against(
    lines: Floats, starts: Floats, change: Floats, ready: Flags, reset: Flags, was_open: Flags
) -> EvidenceBlock:
    """Hold the `change` of spread, (tick, series), against `lines` above 0, (rule,); `was_open` is (series, rule).

    A tick at which the series is not ready leaves an alarm as it is, and a reset ends it. Evidence is 0 at the line,
    and where nothing has changed what `starts`, (rule,), says.
    """
    shape = (*change.shape, lines.size)
    known = ready & ~np.isnan(change)
    above = known[:, :, None] & (change[:, :, None] > lines)
    # The last tick that decides whether the alarm is open; before the first one it is as it was.
    decides = np.where((known | reset)[:, :, None], np.arange(1, len(change) + 1)[:, None, None], 0)
    latest = np.maximum.accumulate(np.broadcast_to(decides, shape), axis=0)
    is_open = np.take_along_axis(np.concatenate([was_open[None], above]), latest, axis=0)
    before = np.concatenate([was_open[None], is_open])[: len(change)]
    evidence = np.maximum(starts * (1.0 - change[:, :, None] / lines), math.log10(FLOOR))
    evidence[~known] = np.nan
    none, threshold = np.zeros(shape, np.int8), np.where(is_open != before, lines, 0.0)
    raised, cleared, held = is_open & ~before, before & ~is_open, np.zeros(shape, np.bool_)
    return EvidenceBlock(evidence, raised, cleared, is_open, none, none.copy(), threshold, held)
