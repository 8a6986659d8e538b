"""Seeded systems whose tipping point is known, and recorded series: for drills, the demo and tests.

`lakes.py` has the lake of the demo, `models.py` the smaller systems (fold, transcritical, pitchfork, Hopf, period
doubling; rate-induced and noise-induced, which tip without slowing down; a near miss), `recorded.py` what is real.
"""

from sentinel.simulate.catalogue import SYSTEMS, simulate
from sentinel.simulate.forcing import Model, run
from sentinel.simulate.models import MODELS
from sentinel.simulate.record import DAY_US, EPOCH_2020_US, Simulated, System, tip_tick

__all__ = [
    "DAY_US", "EPOCH_2020_US", "MODELS", "SYSTEMS", "Model", "Simulated", "System", "run", "simulate", "tip_tick",
]  # fmt: skip
