"""The detectors as plain torch modules: the oracle of the fused bank, and the way out to other tools.

`Bank` is fast because it does not step two cells per detector but their difference, with the gates folded into the
recurrence. That this is allowed is not argued but shown: here the same tables become the weights of `torch.nn.LSTMCell`
and `torch.nn.LSTM`, nothing added, and the tests hold the bank to them (1e-9 in every cell state). The modules are
ordinary ones: save them, export them, put layers behind them, take gradients, or start training from these weights.

Layout: the input is `INPUTS` (past, present, valid, reset); hidden unit `2k` is the plus and `2k + 1` the minus cell of
detector `k`; gates are stacked in torch's order `i f g o`; recurrent weights are 0; every bias is in `bias_ih`. All is
float64: a forget gate of half-life 10^5 is not to be had in single precision.

Reference: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from detectors.cell import GATES, INPUTS, CellTable, Gate
from detectors.pairs import Pairs
from detectors.tables import NullDetector

Module = TypeVar("Module", nn.LSTMCell, nn.LSTM)


def lstm_cell(detectors: Sequence[NullDetector]) -> nn.LSTMCell:
    """One step of all detectors: input `(series, 4)`, states `(series, 2 * detector)`.

    Raises
    ------
    ValueError
        If there are no detectors.
    TypeError
        If one of them is not a `NullDetector`.
    """
    return lstm_cell_of(_cells(detectors))


def lstm(detectors: Sequence[NullDetector]) -> nn.LSTM:
    """All ticks of all detectors: input `(tick, series, 4)` as `features` makes it, states `(1, series, 2 * detector)`.

    Raises
    ------
    ValueError
        If there are no detectors.
    TypeError
        If one of them is not a `NullDetector`.
    """
    tables = _cells(detectors)
    return _filled(nn.LSTM(len(INPUTS), len(tables), device="meta", dtype=torch.float64), tables, "_l0")


def lstm_cell_of(tables: Sequence[CellTable]) -> nn.LSTMCell:
    """One step of any cells, pairs or not: input `(series, 4)`, states `(series, cell)`.

    Raises ValueError: there are no cells.
    """
    if not tables:
        raise ValueError("lstm: no cells; at least one is needed")
    return _filled(nn.LSTMCell(len(INPUTS), len(tables), device="meta", dtype=torch.float64), tables, "")


def features(pairs: Pairs) -> Tensor:
    """Input of the cells, `(tick, series, 4)` in the order of `INPUTS`; where there is no pair, past = present = 0.

    Raises TypeError: it is not a `Pairs`.
    """
    if not isinstance(pairs, Pairs):
        raise TypeError(f"features: {type(pairs).__name__}; a Pairs is needed (pairs_of makes one from values)")
    past, present = (np.where(pairs.valid, values, 0.0) for values in (pairs.past, pairs.present))
    return torch.from_numpy(np.stack([past, present, pairs.valid, pairs.reset], axis=-1, dtype=np.float64))


def pair_states(c: Tensor) -> Tensor:
    """Plus minus minus cell of each detector: `(..., 2 * detector)` to `(..., detector)`. Differentiable.

    Raises ValueError: the last axis is not made of pairs.
    """
    if c.ndim < 1 or c.shape[-1] == 0 or c.shape[-1] % 2:
        raise ValueError(f"pair_states: shape {tuple(c.shape)}; the last axis must hold two cells per detector")
    return c[..., 0::2] - c[..., 1::2]


def _cells(detectors: Sequence[NullDetector]) -> list[CellTable]:
    if not detectors:
        raise ValueError("lstm: no detectors; at least one is needed")
    for detector in detectors:
        if not isinstance(detector, NullDetector):
            raise TypeError(f"lstm: {type(detector).__name__}; every detector must be a NullDetector")
    return [cell for detector in detectors for cell in (detector.plus, detector.minus)]


def _filled(module: Module, tables: Sequence[CellTable], layer: str) -> Module:
    """Give a module without storage (so it drew no random numbers) storage, and write the tables into it."""
    module = module.to_empty(device="cpu")
    gates: list[Gate] = [getattr(table, name) for name in GATES for table in tables]
    values = {
        "weight_ih": torch.tensor([gate.row() for gate in gates], dtype=torch.float64),
        "bias_ih": torch.tensor([gate.bias for gate in gates], dtype=torch.float64),
    }
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            parameter = module.get_parameter(name + layer)
            parameter.copy_(values[name]) if name in values else parameter.zero_()
    return module
