"""Half-life in steps, forgetting factor, gain, forget-gate bias: the only place with this algebra.

A memory with half-life H forgets half of what it holds in H steps: `f = 2^(-1/H)` per step. A running mean of the same
memory moves by the gain `a = 1 - f` of each new value. An LSTM cell whose forget gate is `sigmoid(b)` has that memory
when `b = logit(f)`. All three are computed without the cancellation of `1 - f`, so that half-lives of 10^6 steps keep
ten digits (in single precision 10^5 steps would already be off by 0.25 %).
"""

from __future__ import annotations

import math

SHORTEST = 1.0
LONGEST = 1e9


def _checked(half_life: float) -> float:
    if not SHORTEST <= half_life <= LONGEST:
        raise ValueError(
            f"half_life: {half_life!r} steps; a number of steps from {SHORTEST:g} to {LONGEST:g} is allowed"
        )
    return half_life


def forgetting_factor(half_life: float) -> float:
    """`f = 2^(-1/half_life)`: what is left of a memory after one step."""
    return math.pow(2.0, -1.0 / _checked(half_life))


def gain(half_life: float) -> float:
    """`1 - f`: what a running mean takes of a new value."""
    return -math.expm1(-math.log(2.0) / _checked(half_life))


def forget_bias(half_life: float) -> float:
    """`logit(f)`: bias of a forget gate that has this half-life."""
    return -math.log(2.0) / _checked(half_life) - math.log(gain(half_life))


def half_life_of_bias(bias: float) -> float:
    """Half-life in steps of a forget gate `sigmoid(bias)`."""
    return math.log(2.0) / math.log1p(math.exp(-bias))


def effective_sample_size(half_life: float) -> float:
    """`(1 + f) / (1 - f)`: how many equally weighted values hold as much as the exponentially weighted ones."""
    return (1.0 + forgetting_factor(half_life)) / gain(half_life)
