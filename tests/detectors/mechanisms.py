"""The cell's mechanisms, set up to be measured: what the tests hold and what `draw_mechanisms.py` draws.

The queue and the plain recurrent unit are shown here and not shipped: sentinel's delays are exact, and its memory has
gates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch import nn

from detectors import half_life as memory
from detectors.cell import SHUT, CellTable
from detectors.lstm import features, lstm_cell_of
from detectors.pairs import Pairs
from detectors.tables import NullDetector, lag1, level
from sentinel.pipeline.conditioning import Conditioner
from sentinel.pipeline.grid import TICK, Block
from tests.pipeline.streams import plan_with

Floats = NDArray[np.float64]


def queue_cell(length: int, gain: float) -> nn.LSTMCell:
    """Cells in a row, input `(value, valid)`: each takes what the one before it showed a tick ago.

    With a value every input gate is open and every forget gate shut, so that the row moves on by one; without one it is
    the other way round, and the row stands still.
    """
    cell = nn.LSTMCell(2, length, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        i, f, g, o = (slice(k * length, (k + 1) * length) for k in range(4))
        cell.weight_ih[i, 1], cell.bias_ih[i] = 2.0 * SHUT, -SHUT
        cell.weight_ih[f, 1], cell.bias_ih[f] = -2.0 * SHUT, SHUT
        cell.weight_ih[g, 0][0] = gain
        cell.weight_hh[g] = torch.diag(torch.ones(length - 1, dtype=torch.float64), -1)
        cell.bias_ih[o] = SHUT
    return cell


def queued(values: Floats, length: int, gain: float) -> Floats:
    """What the queue shows at each tick, shape (tick, lag), in units of the values; NaN = missing."""
    cell, state, shown = queue_cell(length, gain), None, []
    present = np.isfinite(values)
    inputs = torch.from_numpy(np.stack([np.where(present, values, 0.0), present.astype(float)], axis=-1))
    with torch.no_grad():
        for row in inputs:
            state = cell(row, state)
            shown.append(state[0] / gain)
    return torch.stack(shown).numpy()


def glucose_cell(half_life: float) -> nn.LSTMCell:
    """One cell that is the sugar in a blood, input `(meal, insulin)`, both 0 or 1 but for the size of a meal.

    A meal opens the input gate and adds its size. Insulin closes the forget gate as far as halves the sugar in
    `half_life` ticks. Without either the input gate is shut and the forget gate open: the sugar stays.
    """
    cell = nn.LSTMCell(2, 1, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        keep = memory.forgetting_factor(half_life)
        i, f, g, o = range(4)
        cell.weight_ih[i, 0], cell.bias_ih[i] = 1e3 * SHUT, -SHUT
        cell.weight_ih[f, 1], cell.bias_ih[f] = np.log(keep / (1.0 - keep)) - SHUT, SHUT
        cell.weight_ih[g, 0] = 1.0
        cell.bias_ih[o] = SHUT
    return cell


def sugar(cell: nn.LSTMCell, meals: Floats, insulin: Floats) -> Floats:
    """Sugar of the cell at each tick."""
    state, shown = None, []
    with torch.no_grad():
        for row in torch.from_numpy(np.stack([meals, insulin], axis=-1)):
            state = cell(row[None], None if state is None else state)
            shown.append(float(state[1]))
    return np.array(shown)


def predicted_loss(largest: float, lag: int, gain: float) -> float:
    """Relative loss of a value after `2 (lag + 1)` tanh: `n` of them turn y into `y / sqrt(1 + 2 n y^2 / 3)` or so."""
    return float(1.0 - 1.0 / np.sqrt(1.0 + 4.0 * (lag + 1) * (gain * largest) ** 2 / 3.0))


def averaged(values: Floats, half_life: float, gain: float) -> Floats:
    """Exponential average of values, by an LSTM cell; NaN = missing."""
    present = np.isfinite(values)[:, None]
    zero = np.zeros(present.shape)
    pairs = Pairs(zero, np.where(present, values[:, None], 0.0), present, np.zeros(present.shape, dtype=bool))
    cell, state, held = lstm_cell_of([level(half_life, input_gain=gain)]), None, []
    with torch.no_grad():
        for row in features(pairs):
            state = cell(row, state)
            held.append(float(state[1]) / gain)
    return np.array(held)


def mean_squared(detector: NullDetector, values: Floats, gain: float, start: float = 0.0) -> Floats:
    """Mean square of values, by a pair of cells, begun at `start`."""
    a = 1.0 - detector.forgetting_factor
    plus, minus, shown = start * gain**2 / a, 0.0, []
    for d in values:
        plus, minus = (cell.step(c, d, d, 1.0, 0.0) for cell, c in ((detector.plus, plus), (detector.minus, minus)))
        shown.append((plus - minus) * a / gain**2)
    return np.array(shown)


def exact_average(values: Floats, half_life: float) -> Floats:
    """The same average in plain arithmetic, from 0; every value present."""
    gain = memory.gain(half_life)
    return np.asarray(lfilter([gain], [1.0, gain - 1.0], values))


TRACKER = 30.0
"""Half-life of the level that is followed."""
_FROM = 300  # updates after which every gain of the conditioner stands still


class Tracked(NamedTuple):
    """What sentinel's own conditioner held, from one tick before the first of `values` on."""

    values: Floats
    level: Floats
    slope: Floats
    variance: Floats
    deviation: Floats
    """From the prediction, at each of `values`."""
    clipped: Floats


def follow(ticks: int = 1_500) -> Tracked:
    """The conditioner on a series with a ramp and spikes, tick by tick."""
    values = np.random.default_rng(7).standard_normal(ticks) + 0.01 * np.arange(ticks)
    values[::97] += 15.0
    conditioner = Conditioner(plan_with(level_half_life=TRACKER))
    state, held, row = conditioner.init(1), [], np.zeros(1, np.int64)
    for t, x in enumerate(values):
        kind, tick = np.full((1, 1), TICK, np.int8), np.full((1, 1), t)
        state, _ = conditioner.advance(state, Block(rows=row, kind=kind, value=np.full((1, 1), x), tick=tick))
        held.append(state.numbers[0, :3].copy())
    level_, slope, variance = np.array(held)[_FROM - 1 :].T
    deviation = values[_FROM:] - level_[:-1] - slope[:-1]
    bound = 3.0 * np.sqrt(variance[:-1])
    return Tracked(values[_FROM:], level_, slope, variance, deviation, np.clip(deviation, -bound, bound))


def fed_to_level(tracked: Tracked) -> Floats:
    """What an exact average has to be fed with to be the conditioner's level.

    `m <- m + v + a e` is `m <- f m + a (m + v / a + e)`: the clipped value, carried along the slope.
    """
    return tracked.level[:-1] + tracked.slope[:-1] / memory.gain(TRACKER) + tracked.clipped


def shown_by(cell: CellTable, start: float, fed: Floats, gain: float) -> Floats:
    """What a cell shows tick by tick, begun at `start`."""
    c, shown = start * gain, []
    for x in fed:
        c = cell.step(c, 0.0, float(x), 1.0, 0.0)
        shown.append(c / gain)
    return np.array(shown)


def recurrent(weight: float, start: float | Floats, ticks: int, inputs: Floats | None = None) -> Floats:
    """`h <- tanh(weight h + input)`, all ticks, beginning with `start`."""
    h = np.array(start, dtype=np.float64)
    path = [h]
    for t in range(ticks):
        h = np.tanh(weight * h + (0.0 if inputs is None else inputs[t]))
        path.append(h)
    return np.array(path)


def ticks_until_half(weight: float, start: float, limit: int) -> int:
    """Ticks until two values held at `start` and just above it are half as far apart; `limit` if they never are."""
    step = 1e-6 * start
    low, high = start, start + step
    for t in range(1, limit):
        low, high = float(np.tanh(weight * low)), float(np.tanh(weight * high))
        if high - low < 0.5 * step:
            return t
    return limit


SILENCE = 100_000
"""Missing ticks through which a value has to be held."""
GAP_TASK_TICKS, GAP_TASK_GAP = 500, 1_000


def share_kept(weight: float, gain: float) -> tuple[float, float]:
    """Share of a detector's variance that one recurrent unit shows after 500 ticks of data, and 1,000 missing ticks on.

    The unit is fed the detector's own increments, nothing in the gap; a negative share counts as none.
    """
    random = np.random.default_rng(5)
    past, present = random.standard_normal((2, GAP_TASK_TICKS, 200))
    detector = lag1(0.0, 70.0)
    increments = np.tanh(detector.input_weight * past / 2.0) * np.tanh(detector.kappa * present)
    f = detector.forgetting_factor
    wanted = lfilter([1.0], [1.0, -f], increments, axis=0)[-1]
    fed = np.concatenate([gain * increments, np.zeros((GAP_TASK_GAP, 200))])
    path = recurrent(weight, np.zeros(200), len(fed), fed)
    end, later = path[GAP_TASK_TICKS], path[-1]
    # One factor reads both: a reader cannot know which of the two it looks at.
    read = float(wanted @ (end + later) / max(end @ end + later @ later, 1e-300))
    shares = [1.0 - float(np.mean((wanted - read * h) ** 2) / np.mean(wanted**2)) for h in (end, later)]
    return max(shares[0], 0.0), max(shares[1], 0.0)
