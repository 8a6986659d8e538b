"""One LSTM cell with hand-set weights, written gate by gate.

A cell of Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), without recurrent weights:

    i = sigmoid(W_i x + b_i)    f = sigmoid(W_f x + b_f)    g = tanh(W_g x + b_g)    o = sigmoid(W_o x + b_o)
    c <- f c + i g              h = o tanh(c)

A `CellTable` names every weight by the input it belongs to. What a reader must be able to trust is checked when the
table is made, with a message that says what is wrong:

* without a valid pair the input gate is shut and the forget gate is *exactly* 1: the cell holds its value for any
  number of ticks (the constant error carousel), and that is a property of the weights, not of an `if`;
* a reset shuts the forget gate whatever the half-life: nothing older survives it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from detectors import half_life

INPUTS = ("past", "present", "valid", "reset")
"""Input features of every cell: the pair `p, c`, 1 if the pair is valid (then else 0), 1 at a reset."""

GATES = ("input", "forget", "candidate", "output")
"""Gates in torch's order `i f g o`."""

SHUT = 40.0
"""Pre-activation G at which a gate is shut: sigmoid(-40) = 4e-18, and sigmoid(+40) rounds to 1 in double precision."""


def sigmoid(x: float) -> float:
    """Logistic function, without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0.0 else math.exp(x) / (1.0 + math.exp(x))


@dataclass(frozen=True, slots=True)
class Gate:
    """Weights of one gate by input name; inputs that are not named weigh 0."""

    weights: Mapping[str, float]
    bias: float = 0.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - set(INPUTS))
        if unknown:
            raise ValueError(f"gate: weight on {unknown[0]!r}; inputs are {', '.join(INPUTS)}")
        for name, value in [*self.weights.items(), ("bias", self.bias)]:
            if not math.isfinite(value):
                raise ValueError(f"gate: weight of {name} is {value!r}; a finite number is needed")
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))

    def at(self, **inputs: float) -> float:
        """Pre-activation for the named inputs; inputs that are not named are 0."""
        return self.bias + sum(self.weights.get(name, 0.0) * value for name, value in inputs.items())

    def row(self) -> list[float]:
        """Weights in the order of `INPUTS`."""
        return [self.weights.get(name, 0.0) for name in INPUTS]


@dataclass(frozen=True, slots=True)
class CellTable:
    """The hand-set weights of one LSTM cell; construction fails with a `ValueError` if an invariant does not hold."""

    name: str
    input: Gate
    forget: Gate
    candidate: Gate
    output: Gate

    def __post_init__(self) -> None:
        if sigmoid(self.input.at(valid=0.0)) > 1e-15:
            raise ValueError(
                f"{self.name}: the input gate is open without a valid pair; give `valid` a weight of {SHUT:g} "
                f"against a bias of {-SHUT:g}"
            )
        if sigmoid(self.forget.at(valid=0.0)) != 1.0:
            raise ValueError(
                f"{self.name}: the forget gate is {sigmoid(self.forget.at(valid=0.0))!r} without a valid pair; "
                "it must be exactly 1 so that a gap holds the cell"
            )
        for valid in (0.0, 1.0):
            if sigmoid(self.forget.at(valid=valid, reset=1.0)) > 1e-15:
                raise ValueError(
                    f"{self.name}: the forget gate stays open at a reset (valid = {valid:g}); nothing older "
                    "may survive it"
                )
        if self.candidate.at(valid=1.0) != self.candidate.at(valid=0.0):
            raise ValueError(f"{self.name}: the candidate depends on `valid`; only the gates may")
        if sigmoid(self.output.at(valid=1.0)) != 1.0 or sigmoid(self.output.at(valid=0.0)) != 1.0:
            raise ValueError(f"{self.name}: the output gate is not fully open; the cell must be readable at every tick")

    @property
    def half_life(self) -> float:
        """Half-life of the cell in steps, on valid pairs."""
        return half_life.half_life_of_bias(self.forget.at(valid=1.0))

    @property
    def forgetting_factor(self) -> float:
        """Factor by which the cell shrinks its value in one step, on valid pairs."""
        return sigmoid(self.forget.at(valid=1.0))

    def step(self, cell: float, past: float, present: float, valid: float, reset: float) -> float:
        """One step of the cell, in plain arithmetic: the definition that everything faster is compared with."""
        x = {"past": past, "present": present, "valid": valid, "reset": reset}
        keep = sigmoid(self.forget.at(**x))
        return keep * cell + sigmoid(self.input.at(**x)) * math.tanh(self.candidate.at(**x))
