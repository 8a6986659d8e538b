"""Does it pay to train the hand-set weights? Gradients through the detectors, on systems with and without slowing down.

Tuned are w, kappa and one half-life per detector (18 numbers), by gradient ascent on how well the zero crossing of the
readings tells runs that approach a transition from runs that do not, on AR(1) ramps and folds of the development seeds.
Reported is the AUC on other seeds of the same systems and on a system that was not trained on, beside the hand-set
weights, with the 95 % interval of the difference by a paired bootstrap over runs.

Run it with `python tests/detectors/fine_tune.py`; it takes about a minute and prints the table of docs/how-it-works.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from detectors.cell import INPUTS, SHUT
from detectors.spectrum import thresholds
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA
from sentinel.pipeline.conditioning import Conditioner
from sentinel.pipeline.grid import TICK, Block
from tests.pipeline.streams import plan_with

Floats = NDArray[np.float64]

TICKS, RUNS = 600, 160
READ_AT = (419, 569)
"""Ticks at which runs are compared: 70 and 95 % of the way."""
DEVELOPMENT, HELD_OUT = (1, 2, 3), (101, 102, 103, 104)
STEPS, RATE, TEMPERATURE = 60, 0.03, 0.25
GRID = torch.from_numpy(np.arctanh(thresholds()))


@dataclass
class Weights:
    """What is tuned, as logarithms, float64 leaves of the graph."""

    log_w: Tensor
    log_kappa: Tensor
    log_half_life: Tensor

    @classmethod
    def by_hand(cls, half_life: float = 70.0) -> Weights:
        """The defaults."""
        values = (INPUT_WEIGHT, KAPPA, [half_life] * len(GRID))
        return cls(*(torch.tensor(v, dtype=torch.float64).log().requires_grad_() for v in values))

    def leaves(self) -> list[Tensor]:
        """The tensors to be tuned."""
        return [self.log_w, self.log_kappa, self.log_half_life]


def logit_forget(half_life: Tensor) -> Tensor:
    """`logit(2^(-1/H))` without cancellation; differentiable."""
    rate = math.log(2.0) / half_life
    return -rate - torch.log(-torch.expm1(-rate))


def lstm_parameters(threshold: Tensor, w: Tensor, kappa: Tensor, half_life: Tensor) -> dict[str, Tensor]:
    """Weights of `detectors.lstm.lstm`, differentiable in what a table is made from; threshold, half-life `(D,)`."""
    size = 2 * len(threshold)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(len(threshold))
    r, logit = threshold.repeat_interleave(2), logit_forget(half_life).repeat_interleave(2)
    past, present, valid, reset = (INPUTS.index(name) for name in INPUTS)
    weight, bias = torch.zeros(4, size, len(INPUTS), dtype=torch.float64), torch.zeros(4, size, dtype=torch.float64)
    weight[0, :, past], weight[0, :, valid], bias[0] = sign * w, SHUT, -SHUT
    weight[1, :, valid], weight[1, :, reset], bias[1] = -SHUT, -(2.0 * SHUT + logit.clamp(min=0.0)), logit + SHUT
    weight[2, :, past], weight[2, :, present] = -kappa * r, kappa
    bias[3] = SHUT
    zero = torch.zeros(4 * size, size, dtype=torch.float64)
    return {
        "weight_ih_l0": weight.flatten(0, 1), "bias_ih_l0": bias.flatten(), "weight_hh_l0": zero,
        "bias_hh_l0": zero[:, 0],
    }  # fmt: skip


def readings(pairs: tuple[Tensor, Tensor, Tensor], at: int, weights: Weights) -> tuple[Tensor, Tensor]:
    """Cells and readings `(series, detector)` after tick `at`: the recurrence written out as a sum over the pairs."""
    p, c, valid = (x[: at + 1] for x in pairs)
    w, kappa, half_life = (x.exp() for x in weights.leaves())
    s = torch.tanh(w * p / 2.0)[..., None] * torch.tanh(kappa * (c[..., None] - torch.tanh(GRID) * p[..., None]))
    s = s * valid[..., None]
    age = valid.flip(0).cumsum(0).flip(0) - valid
    kept = torch.exp2(-age[..., None] / half_life)
    cells = (kept * s).sum(0)
    return cells, cells / torch.sqrt((kept**2 * s**2).sum(0) + 1e-300)


def crossing(z: Tensor) -> Tensor:
    """atanh of the zero crossing, as `detectors.spectrum.crossings`; differentiable where it is not at an end."""
    last = (z > 0.0).long() * torch.arange(1, z.shape[1] + 1)
    j = (last.amax(1) - 1).clamp(0, z.shape[1] - 2)
    here, there = z.gather(1, j[:, None])[:, 0], z.gather(1, j[:, None] + 1)[:, 0]
    part = (here / (here - there)).clamp(0.0, 1.0)
    return GRID[j] + (GRID[j + 1] - GRID[j]) * part


def ar1(random: np.random.Generator, moving: bool) -> Floats:
    """AR(1) whose coefficient rises to 0.97, or stays."""
    first = random.uniform(0.2, 0.7, RUNS)
    way = np.linspace(0.0, 1.0, TICKS)[:, None] * moving
    rho = first + (0.97 - first) * way
    shocks, x = random.standard_t(5, (TICKS, RUNS)), np.zeros((TICKS, RUNS))
    for t in range(1, TICKS):
        x[t] = rho[t] * x[t - 1] + shocks[t]
    return x


def diffusion(random: np.random.Generator, drift: Callable[[Floats, Floats], Floats], start: float, control: Floats,
              noise: tuple[float, float], floor: float) -> Floats:  # fmt: skip
    """Euler steps of `dx = drift dt + noise dW`, four a tick; `control` has shape (tick, run)."""
    strength, x, path = random.uniform(*noise, RUNS), np.full(RUNS, start), []
    step = random.uniform(0.05, 0.15, RUNS)
    for row in control:
        for _ in range(4):
            x = np.maximum(x + drift(x, row) * step + strength * np.sqrt(step) * random.standard_normal(RUNS), floor)
        path.append(x)
    return np.array(path)


def fold(random: np.random.Generator, moving: bool) -> Floats:
    """May's grazing, its rate rising to the fold at 0.26, or not."""
    first = random.uniform(0.1, 0.18, RUNS)
    control = first + (0.255 - first) * np.linspace(0.0, 1.0, TICKS)[:, None] * moving
    return diffusion(random, lambda x, b: x * (1 - x) - b * x**2 / (0.01 + x**2), 0.8, control, (0.005, 0.015), 0.0)


def transcritical(random: np.random.Generator, moving: bool) -> Floats:
    """`dx = r x - x^2`, r falling from 1 to 0.05, or not; not trained on."""
    first = random.uniform(0.7, 1.2, RUNS)
    control = first + (0.05 - first) * np.linspace(0.0, 1.0, TICKS)[:, None] * moving
    return diffusion(random, lambda x, r: r * x - x**2, 1.0, control, (0.005, 0.015), 1e-6)


SYSTEMS = {"AR(1) ramp": ar1, "fold": fold, "transcritical (not trained on)": transcritical}


def conditioned(values: Floats) -> tuple[Tensor, Tensor, Tensor]:
    """Past, present and valid `(tick, series)` from sentinel's own conditioner."""
    ticks, series = values.shape
    conditioner = Conditioner(plan_with())
    tick = np.tile(np.arange(ticks)[:, None], (1, series))
    block = Block(rows=np.arange(series), kind=np.full(values.shape, TICK, np.int8), value=values, tick=tick)
    pairs = conditioner.advance(conditioner.init(series), block)[1].pairs
    return tuple(torch.from_numpy(x.astype(np.float64)) for x in (pairs.past, pairs.present, pairs.valid))


def runs(system: str, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of `RUNS` runs that approach a transition, then of as many that do not."""
    random = np.random.default_rng([seed, list(SYSTEMS).index(system)])
    return conditioned(np.hstack([SYSTEMS[system](random, True), SYSTEMS[system](random, False)]))


def tune(weights: Weights) -> None:
    """Ascend, in place: a run that approaches a transition should read higher than one that does not."""
    batches = [(runs(system, seed), at) for seed in DEVELOPMENT for system in list(SYSTEMS)[:2] for at in READ_AT]
    optimiser = torch.optim.Adam(weights.leaves(), lr=RATE)
    order = np.random.default_rng(0)
    for _ in range(STEPS):
        pairs, at = batches[order.integers(len(batches))]
        u = crossing(readings(pairs, at, weights)[1])
        loss = torch.nn.functional.softplus(-(u[:RUNS, None] - u[None, RUNS:]) / TEMPERATURE).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def auc(u: Floats) -> float:
    """Chance that a run of the first half reads higher than one of the second, ties halved."""
    half = len(u) // 2
    return float((rankdata(u)[:half].sum() - half * (half + 1) / 2.0) / half**2)


def compared(system: str, hand: Weights, tuned: Weights) -> tuple[float, float, float, float]:
    """AUC by hand and tuned on the held-out seeds, mean of both readouts, and the 95 % interval of the difference."""
    read = []
    with torch.no_grad():
        for seed in HELD_OUT:
            pairs = runs(system, seed)
            read.append([[crossing(readings(pairs, at, w)[1]).numpy() for at in READ_AT] for w in (hand, tuned)])
    u = np.array(read)  # (seed, weights, readout, run)
    kinds = [np.concatenate([*u[:, k, a, :RUNS], *u[:, k, a, RUNS:]]) for k in (0, 1) for a in range(len(READ_AT))]
    half, random, gains = len(kinds[0]) // 2, np.random.default_rng(0), []
    for _ in range(500):
        chosen = np.concatenate([random.integers(0, half, half), random.integers(half, 2 * half, half)])
        hand_auc, tuned_auc = np.mean([[auc(x[chosen]) for x in pair] for pair in (kinds[:2], kinds[2:])], axis=1)
        gains.append(tuned_auc - hand_auc)
    by_hand, by_training = np.mean([[auc(x) for x in pair] for pair in (kinds[:2], kinds[2:])], axis=1)
    return float(by_hand), float(by_training), *(float(q) for q in np.quantile(gains, [0.025, 0.975]))


def main() -> None:
    """Tune, compare, print."""
    torch.set_num_threads(1)
    hand, tuned = Weights.by_hand(), Weights.by_hand()
    tune(tuned)
    w, kappa, half_life = (x.detach().exp().numpy() for x in tuned.leaves())
    print(f"tuned: w {w:.2f}, kappa {kappa:.2f}, half-lives {half_life.min():.0f} to {half_life.max():.0f} ticks\n")
    print("| held-out seeds of | by hand | tuned | gain, 95 % interval |\n|---|---|---|---|")
    for system in SYSTEMS:
        before, after, low, high = compared(system, hand, tuned)
        print(f"| {system} | {before:.3f} | {after:.3f} | {after - before:+.3f} ({low:+.3f} to {high:+.3f}) |")


if __name__ == "__main__":
    main()
