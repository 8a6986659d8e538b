"""Development runs: every system with random rates, noise levels and lengths, and as many of its null.

A run goes from its first tick to the tip; its null has its own noise, level and parameter, drawn alike and held, and is
as long. Rates differ because lengths do, and in one of the two designs because runs begin anywhere on the way. The
seeds are development seeds: what is tuned may be tuned on them, and no figure measured on them is proof.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentinel.simulate import MODELS, run

Floats = NDArray[np.float64]

SEED = 20_261
SHORTEST, LONGEST = 400, 1_500
NOISE_FACTOR = 2.0
"""Noise is the model's own, between one part and this many times."""
ANYWHERE, WHOLE = "from anywhere", "the whole way"
SKIPPED = {ANYWHERE: 0.8, WHOLE: 0.0}
"""At most this part of the way to the tip is behind a system when it is first seen. From anywhere: rates differ
19-fold, and resilience at rest as much as the way is long, in nulls too; fixed before criticality was measured. The
whole way: all begin at the model's own parameter, so that a part of the way is the same way in every run."""
BEYOND = 1.3
"""A fold is passed before the state is lost: runs go on for so many lengths until it is."""
SLOWING = ("fold", "transcritical", "pitchfork", "hopf", "period_doubling")
OTHERS = ("rate_induced", "noise_induced", "near_miss")


class Runs(NamedTuple):
    """One system."""

    forced: Floats
    """Shape (tick, run); NaN from the tip on."""
    null: Floats
    """Shape (tick, run); NaN from where its partner tips on."""
    drifting: Floats
    """The null, moved by as much as its partner's state at rest moves: drift without any loss of resilience."""
    tips: NDArray[np.int64]
    """Ticks before the tip (before the return, for the near miss); shape (run,)."""


def runs(name: str, count: int, design: str = WHOLE, *, longest: int = LONGEST) -> Runs:
    """That many runs of a system and of its null."""
    model = MODELS[name]
    # Noise-induced tips come when they come; those too early to be read are drawn again.
    drawn = 3 * count if name == "noise_induced" else count
    random = np.random.default_rng([SEED, [*MODELS].index(name)])
    ticks = np.round(np.exp(random.uniform(np.log(SHORTEST), np.log(longest), drawn)))
    critical = model.path(np.ones((1, 1)), np.ones(1), np.array([model.first]))[0, 0]

    def conditions() -> dict[str, Floats]:
        skipped = random.uniform(0, SKIPPED[design], drawn) if name in SLOWING else np.zeros(drawn)
        spread = random.uniform(-1, 1, drawn) if name != "noise_induced" else np.zeros(drawn)
        return {
            "first": model.first + skipped * (critical - model.first),
            "noise": model.noise * NOISE_FACTOR**spread,
        }

    total = round(BEYOND * longest)
    moved = conditions()
    forced, lost = run(model, random, total, ticks=ticks, **moved)
    tips = np.where(lost.any(axis=0), lost.argmax(axis=0), 0 if name in SLOWING else ticks).astype(np.int64)
    if name == "noise_induced":
        tips[~lost.any(axis=0)] = 0
    kept = np.flatnonzero((tips >= SHORTEST) & (tips <= BEYOND * longest))[:count]
    assert kept.size == count, f"{name}: only {kept.size} of {count} runs tipped"
    null, _ = run(model, random, total, ticks=ticks, null=True, **conditions())
    rest, _ = run(model, random, total, ticks=ticks, first=moved["first"], noise=np.zeros(drawn))
    after = np.arange(total)[:, None] >= tips[kept]
    return Runs(
        *(np.where(after, np.nan, values[:, kept]) for values in (forced, null, null + rest - rest[0])), tips[kept]
    )
