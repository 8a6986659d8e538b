"""Tells what each tick was to a rule: it could alarm, was in alarm, or neither. Budgets count the first kind.

A tick is *judged* by a rule if its value was read while the rule had a verdict, and the rule is not held. A judged tick
is *watching* if an alarm could be raised there, that at which one is raised included, and else *in alarm*, that at
which the alarm is cleared included. Missing ticks are neither, nor are those of a series that learns or is blind.
"""

from __future__ import annotations

import numpy as np

from sentinel.pipeline.arrays import Codes
from sentinel.pipeline.cohort import SteppedBlock

UNJUDGED, WATCHING, IN_ALARM = range(3)


def code_ticks(stepped: SteppedBlock) -> Codes:
    """Say what each tick was to each rule, (tick, series, rule)."""
    found = stepped.scored.evidence
    read = ~np.isnan(stepped.conditioned.adjusted)[:, :, None] & ~np.isnan(found.evidence) & ~found.held
    alarmed = (found.open | found.cleared) & ~found.raised
    # An alarm of a coarse scale may be raised where the value of the tick itself is missing.
    return np.where(found.raised | (read & ~alarmed), WATCHING, np.where(read, IN_ALARM, UNJUDGED)).astype(np.int8)
