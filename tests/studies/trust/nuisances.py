"""What sensors and surroundings do to a series without changing how it returns: spikes, losses, noise, steps, ties."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.trust.nulls import Maker, Shape, ar1, stationary

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Nuisance = Callable[[Floats, Generator], Floats]
"""A table of values of unit variance (tick, series), and what becomes of it."""


def runs(random: Generator, shape: Shape, start: float, shortest: int, longest: int) -> Flags:
    """Runs of ticks that begin with a chance of `start` at every tick, of a length between the two."""
    left = np.zeros(shape[1], np.int64)
    inside = np.zeros(shape, bool)
    begins = random.random(shape) < start
    length = random.integers(shortest, longest + 1, shape)
    for t in range(shape[0]):
        left = np.where((left == 0) & begins[t], length[t], np.maximum(left - 1, 0))
        inside[t] = left > 0
    return inside


def missing(part: float) -> Nuisance:
    """This part of the ticks is missing, each for itself."""
    return lambda x, random: np.where(random.random(x.shape) < part, np.nan, x)


def missing_blocks(part: float, shortest: int = 5, longest: int = 35) -> Nuisance:
    """About this part of the ticks is missing, in blocks."""
    mean = (shortest + longest) / 2.0
    start = part / (1.0 - part) / mean
    return lambda x, random: np.where(runs(random, x.shape, start, shortest, longest), np.nan, x)


def lost_when_high(above: float, part: float) -> Nuisance:
    """Values above this are lost with this chance: a loss that depends on the value, outside the theorem."""
    return lambda x, random: np.where((x > above) & (random.random(x.shape) < part), np.nan, x)


def saturated(at: float) -> Nuisance:
    """The sensor reads no higher than this."""
    return lambda x, _: np.minimum(x, at)


def spikes(part: float, size: float) -> Nuisance:
    """This part of the values is off by this much, up or down."""

    def add(x: Floats, random: Generator) -> Floats:
        sign = np.where(random.random(x.shape) < 0.5, -size, size)
        return x + np.where(random.random(x.shape) < part, sign, 0.0)

    return add


def quantised(step: float) -> Nuisance:
    """The sensor's resolution."""
    return lambda x, _: np.round(x / step) * step


def zeros(part: float) -> Nuisance:
    """This part of the values is exactly 0."""
    return lambda x, random: np.where(random.random(x.shape) < part, 0.0, x)


def stuck(every: int, shortest: int, longest: int) -> Nuisance:
    """About once in `every` ticks the sensor repeats its last value for a while."""

    def hold(x: Floats, random: Generator) -> Floats:
        held = runs(random, x.shape, 1.0 / every, shortest, longest)
        held[0] = False
        own = np.where(held, 0, np.arange(x.shape[0])[:, None])
        return np.take_along_axis(x, np.maximum.accumulate(own, axis=0), axis=0)

    return hold


def rescaled(factor: float) -> Nuisance:
    """From the middle on everything is this much larger."""

    def scale(x: Floats, _: Generator) -> Floats:
        return np.concatenate([x[: len(x) // 2], factor * x[len(x) // 2 :]])

    return scale


def ramp(slope: float) -> Nuisance:
    """A steady trend, sd per tick."""
    return lambda x, _: x + slope * np.arange(x.shape[0])[:, None]


def ramp_from_middle(slope: float) -> Nuisance:
    """A trend that begins in the middle, sd per tick."""
    return lambda x, _: x + slope * np.maximum(0, np.arange(x.shape[0]) - x.shape[0] // 2)[:, None]


def begins_elsewhere(ticks: int, size: float) -> Nuisance:
    """The first ticks, which the instrument learns from, are this many sd higher than all others."""
    return lambda x, _: x + size * (np.arange(x.shape[0]) < ticks)[:, None]


def wandering_level(step: float) -> Nuisance:
    """The level walks at random with steps of this sd."""
    return lambda x, random: x + np.cumsum(step * random.standard_normal(x.shape), axis=0)


def level_resets(drift: float, every: int) -> Nuisance:
    """The sensor drifts, sd per tick, and is put right every so many ticks."""
    return lambda x, random: (
        x + drift * ((np.arange(x.shape[0])[:, None] + random.integers(0, every, x.shape[1])) % every)
    )


def all_of(*nuisances: Nuisance) -> Nuisance:
    """One after the other."""

    def apply(x: Floats, random: Generator) -> Floats:
        for nuisance in nuisances:
            x = nuisance(x, random)
        return x

    return apply


def on(phi: float, nuisance: Nuisance, kind: str = "Gaussian") -> Maker:
    """Maker of AR(1) with a nuisance."""
    clean = stationary(phi, kind)
    return lambda random, shape: nuisance(clean(random, shape), random)


def of_spread(phi: float, spread: Maker, *, skewed: bool = False) -> Maker:
    """Maker of AR(1) whose shocks have a spread of their own at every tick."""

    def make(random: Generator, shape: Shape) -> Floats:
        shocks = random.standard_exponential(shape) - 1.0 if skewed else random.standard_normal(shape)
        return ar1(phi, spread(random, shape) * shocks)

    return make


def ninefold_by_turns(_: Generator, shape: Shape) -> Floats:
    """Variance 1 and 9, 1,000 ticks each."""
    return np.where(np.arange(shape[0]) // 1_000 % 2, 3.0, 1.0)[:, None]


def stochastic_volatility(random: Generator, shape: Shape) -> Floats:
    """The log of the spread is AR(1) at .98 with sd .5."""
    return np.exp(0.5 * ar1(0.98, random.standard_normal(shape)))


def daily_volatility(_: Generator, shape: Shape) -> Floats:
    """By day three times the spread of the night."""
    return (2.0 + np.sin(2.0 * np.pi * np.arange(shape[0]) / 24.0))[:, None]


def garch(random: Generator, shape: Shape, phi: float = 0.5) -> Floats:
    """AR(1) whose shocks are GARCH(1,1), .1 and .85: a large shock is followed by large shocks."""
    normal = random.standard_normal(shape)
    variance, shocks = np.ones(shape[1]), np.empty(shape)
    for t in range(shape[0]):
        shocks[t] = np.sqrt(variance) * normal[t]
        variance = 0.05 + 0.1 * shocks[t] ** 2 + 0.85 * variance
    return ar1(phi, shocks)


def telegraph(size: float, stay: float) -> Nuisance:
    """The level jumps between two values and stays about `stay` ticks."""

    def jump(x: Floats, random: Generator) -> Floats:
        side = np.where(np.cumsum(random.random(x.shape) < 1.0 / stay, axis=0) % 2, 0.5, -0.5)
        return x + size * side

    return jump
