"""Seeded systems whose tipping point is known, and recorded series: for drills, the demo and tests.

`models.py` has the smaller systems (fold, transcritical, pitchfork, Hopf, period doubling; rate-induced and
noise-induced, which tip without slowing down; a near miss), `catalogue.py` the lake of the demo and what is real.
"""

from sentinel.simulate.catalogue import DAY_US, EPOCH_2020_US, SYSTEMS, Simulated, simulate
from sentinel.simulate.models import MODELS, run

__all__ = ["DAY_US", "EPOCH_2020_US", "MODELS", "SYSTEMS", "Simulated", "run", "simulate"]
