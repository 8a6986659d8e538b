"""Running a model while its parameter is moved, or held, many runs at a time."""

from __future__ import annotations

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


def toward(tip: float) -> Path:
    """Linearly from the first parameter to `tip`, reached after the ticks to the tip, and on at that rate."""

    def path(tick: Floats, ticks: Floats, first: Floats) -> Floats:
        return first + (tip - first) * tick / ticks

    return path


def held(tick: Floats, _ticks: Floats, first: Floats) -> Floats:
    """The first parameter, always."""
    return np.broadcast_to(first, (tick.size, first.size))


def passed(_value: Floats, _parameter: Floats, way: Floats) -> Flags:
    """The state is lost where the parameter passes its critical value: it stays near, but no longer attracts."""
    return way >= 1


def never(_value: Floats, _parameter: Floats, way: Floats) -> Flags:
    """The state is kept."""
    return np.zeros(way.shape, np.bool_)


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
    """Run a model several times at once.

    Parameters
    ----------
    total: number of ticks to run.
    ticks: ticks from the beginning to the tip (to the return, for the near miss); shape (runs,).
    first, noise: in place of the model's own; shape (runs,).
    null: hold the parameter.

    Returns
    -------
    The observed values, and where the state is lost; both of shape (total, runs).
    """  # fmt: skip
    first = np.full(ticks.shape, model.first) if first is None else first
    noise = np.full(ticks.shape, model.noise) if noise is None else noise
    tick = np.arange(total, dtype=np.float64)[:, None]
    parameter = (held if null else model.path)(tick, ticks, first)
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
    return values, (never if null else model.lost)(values, parameter, way)
