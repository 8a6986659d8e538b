"""Small systems that lose their state in a known way: slowly, all at once, or not at all; and how they are run.

Each step below is one inner step of Euler and Maruyama (a map where it says so); its docstring has the equations,
the parameter that is moved, where the state is lost, and the source. Time is in ticks unless a tick is said to be
shorter. `lag 1` is that of small deviations, read once per tick.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Step = Callable[[Floats, Floats, Floats], Floats]
"""State (variable, run), parameter (run,), standard normal shocks times the noise (variable, run) -> the next state."""
Path = Callable[[Floats, Floats, Floats], Floats]
"""Tick (tick, 1), ticks to the tip (run,), first parameter (run,) -> parameter (tick, run)."""
Loss = Callable[[Floats, Floats, Floats], Flags]
"""Value, parameter, part of the way gone, all of one shape -> is the state lost?"""

REST_TICKS = 200
"""Ticks without noise at the first parameter, from a guess: the run begins at rest."""


@dataclass(frozen=True, slots=True)
class Model:
    """A system, how its parameter is moved, and when its state is lost."""

    step: Step
    """One inner step; its docstring has the equations."""
    inner: int
    """Inner steps per tick."""
    start: tuple[float, ...]
    """A guess of the state at rest. The first variable is the one that is observed."""
    first: float
    """Parameter at the beginning, and for ever where it is held."""
    path: Path
    lost: Loss
    noise: float
    held_noise: float = 1.0
    """Noise of the null, as a part of `noise`: below 1 where it is the noise that tips."""


def run(
    model: Model,
    random: np.random.Generator,
    total: int,
    *,
    ticks: Floats,
    first: Floats | None = None,
    noise: Floats | None = None,
    null: bool = False,
) -> tuple[Floats, Flags]:
    """Run a model several times at once, for `total` ticks.

    `ticks` are those from the beginning to the tip (to the return, for the near miss), shape (runs,); `first` and
    `noise`, of the same shape, stand in place of the model's own; `null` holds the parameter. Gives the observed
    values, and where the state is lost; both of shape (total, runs).
    """  # fmt: skip
    first = np.full(ticks.shape, model.first) if first is None else first
    noise = np.full(ticks.shape, model.noise) if noise is None else noise
    tick = np.arange(total, dtype=np.float64)[:, None]
    parameter = (_hold if null else model.path)(tick, ticks, first)
    state = np.repeat(np.array(model.start)[:, None], ticks.size, axis=1)
    for _ in range(REST_TICKS * model.inner):
        state = model.step(state, first, np.zeros_like(state))
    amplitude = noise * (model.held_noise if null else 1.0)
    values = np.empty((total, ticks.size))
    for t in range(total):
        values[t] = state[0]
        for shock in random.standard_normal((model.inner, *state.shape)) * amplitude:
            state = model.step(state, parameter[t], shock)
    way = np.broadcast_to(tick / ticks, values.shape)
    return values, (_never if null else model.lost)(values, parameter, way)


_DT = 0.05
_SQRT_DT = math.sqrt(_DT)
WELL_TICK = 0.35
"""Time of the double well in one tick: at rest, where it relaxes at rate 2, its lag 1 is then 0.5."""
_WELL_STEPS = 7
FOLD_AT = 0.26044
EXTINCT_AT = 1.0
FORK_AT = 0.0
CYCLE_AT = 15.6863
DOUBLING_AT = 2.0


def step_fold(state: Floats, grazing: Floats, shock: Floats) -> Floats:
    """Fold: vegetation x under grazing b (May 1977, doi:10.1038/269471a0).

    dx = (x (1 - x) - b x^2 / (0.01 + x^2)) dt + noise dW, reflected at 0. b rises from 0.15, where lag 1 is 0.52, to
    0.26044, where the grown state (x = 0.478) meets the unstable one and lag 1 has risen to 1; the state is lost once
    x is below 0.35.
    """
    square = state * state
    return np.abs(state + (state * (1 - state) - grazing * square / (0.01 + square)) * _DT + _SQRT_DT * shock)


def step_transcritical(state: Floats, harvest: Floats, shock: Floats) -> Floats:
    """Transcritical: a stock x that grows logistically and is harvested in proportion h (Schaefer 1954).

    dx = (x (1 - x) - h x) dt + noise dW, reflected at 0. h rises from 0.2, where lag 1 is 0.45, to 1, where the stock
    x = 1 - h meets extinction and lag 1 has risen to 1.
    """
    return np.abs(state + (state * (1 - state) - harvest * state) * _DT + _SQRT_DT * shock)


def step_pitchfork(state: Floats, growth: Floats, shock: Floats) -> Floats:
    """Pitchfork, supercritical (Strogatz, Nonlinear Dynamics and Chaos, section 3.4).

    dx = (m x - x^3) dt + noise dW. m rises from -0.8, where lag 1 of x = 0 is 0.45, to 0, where it has risen to 1.
    """
    return state + (growth * state - state**3) * _DT + _SQRT_DT * shock


def step_hopf(state: Floats, attack: Floats, shock: Floats) -> Floats:
    """Hopf: resource x and its consumer y (Rosenzweig and MacArthur 1963, doi:10.1086/282272).

    dx = (4 x (1 - x / 1.7) - f y) dt + noise dW,  dy = (f / 2 - 2) y dt + noise dW',  f = a x / (1 + 0.15 a x); the
    parameters of Bury et al. 2021, doi:10.1073/pnas.2106140118. The attack rate a rises from 12 to 15.69, where a cycle
    of 4.4 ticks grows: the modulus of the resource rises from 0.69 to 1 while its lag 1 falls from 0.21 to 0.16.
    The consumer is stepped with the new resource, or the cycle would grow by the step alone. Neither is negative.
    """
    x, y = state
    caught = attack * x / (1 + 0.15 * attack * x)
    x = np.abs(x + (4 * x * (1 - x / 1.7) - caught * y) * _DT + _SQRT_DT * shock[0])
    caught = attack * x / (1 + 0.15 * attack * x)
    return np.stack([x, np.abs(y + (caught / 2 - 2) * y * _DT + _SQRT_DT * shock[1])])


def step_doubling(state: Floats, growth: Floats, shock: Floats) -> Floats:
    """Period doubling: the stock and recruitment map of Ricker (1954, doi:10.1139/f54-039), one generation per tick.

    x <- x exp(r (1 - x) + noise w). r rises from 1 to 2: lag 1 is 1 - r, it falls from 0 to -1.
    """
    return np.asarray(state * np.exp(growth * (1 - state) + shock))


def step_well(state: Floats, place: Floats, shock: Floats) -> Floats:
    """Rate-induced: a double well whose place l is shifted too fast to follow.

    dx = (u - u^3) dt + noise dW, u = x - l, a tick is 0.35 (Ashwin et al. 2012, doi:10.1098/rsta.2011.0306). At any l
    the state u = 1 is as stable as before, with lag 1 at 0.5; but where l moves by more than 0.135 per tick for long it
    is left behind and ends in u = -1. Here l goes from 0 to 3 in 10 ticks. Nothing slows down before.

    Noise-induced: the same well at rest (l = 0 throughout), left by chance alone (Kramers 1940,
    doi:10.1016/S0031-8914(40)90098-2). Noise 0.34 carries the state from u = 1 to below -0.5 about once in 1,000 ticks;
    half that noise does not. Nothing slows down before: lag 1 is the same up to the last knock.
    """
    step = WELL_TICK / _WELL_STEPS
    off = state - place
    return state + (off - off**3) * step + math.sqrt(step) * shock


def step_ar1(state: Floats, rho: Floats, shock: Floats) -> Floats:
    """Near miss: x <- rho x + noise w; rho rises from 0.4 to 0.8 and falls back to 0.4. It slows, and does not tip."""
    return rho * state + shock


SHIFT, SHIFT_TICKS = 3.0, 10.0
NEAREST = 0.8


def _move_to(tip: float) -> Path:
    """Linearly from the first parameter to `tip`, reached after the ticks to the tip, and on at that rate."""
    return lambda tick, ticks, first: first + (tip - first) * tick / ticks


def _hold(tick: Floats, _ticks: Floats, first: Floats) -> Floats:
    return np.broadcast_to(first, (tick.size, first.size))


def _shift_well(tick: Floats, ticks: Floats, first: Floats) -> Floats:
    moved = np.clip((tick - ticks) / SHIFT_TICKS + 0.5, 0, 1)
    return np.asarray(first + SHIFT * moved)


def _approach_and_return(tick: Floats, ticks: Floats, first: Floats) -> Floats:
    near = np.clip(1 - np.abs(2 * tick / ticks - 1), 0, 1)
    return np.asarray(first + (NEAREST - first) * near)


def _is_left_behind(value: Floats, parameter: Floats, _way: Floats) -> Flags:
    return value < parameter - 0.5


def _has_collapsed(value: Floats, _parameter: Floats, _way: Floats) -> Flags:
    return value < 0.35


def _has_passed(_value: Floats, _parameter: Floats, way: Floats) -> Flags:
    # Past its critical value the state stays near, but no longer attracts.
    return way >= 1


def _never(_value: Floats, _parameter: Floats, way: Floats) -> Flags:
    return np.zeros(way.shape, np.bool_)


_STEPS = round(1 / _DT)

MODELS = {
    "fold": Model(step_fold, _STEPS, (0.82,), 0.15, _move_to(FOLD_AT), _has_collapsed, 0.01),
    "transcritical": Model(step_transcritical, _STEPS, (0.8,), 0.2, _move_to(EXTINCT_AT), _has_passed, 0.01),
    "pitchfork": Model(step_pitchfork, _STEPS, (0.0,), -0.8, _move_to(FORK_AT), _has_passed, 0.02),
    "hopf": Model(step_hopf, _STEPS, (0.8, 0.45), 12.0, _move_to(CYCLE_AT), _has_passed, 0.01),
    "period_doubling": Model(step_doubling, 1, (1.0,), 1.0, _move_to(DOUBLING_AT), _has_passed, 0.03),
    "rate_induced": Model(step_well, _WELL_STEPS, (1.0,), 0.0, _shift_well, _is_left_behind, 0.1),
    "noise_induced": Model(step_well, _WELL_STEPS, (1.0,), 0.0, _hold, _is_left_behind, 0.34, held_noise=0.5),
    "near_miss": Model(step_ar1, 1, (0.0,), 0.4, _approach_and_return, _never, 1.0),
}
"""By name. The null of each has the same noise (half of it where noise is what tips) and holds the parameter."""
