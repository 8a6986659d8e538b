r"""The delay of a rule until it alarms: the growth rate of its evidence, and the mean passage to the alarm line.

**Growth.** Once the lag-1 autocorrelation has jumped to `rho` beyond the threshold `r`, the wealth of the gambler who
stakes `beta` is multiplied by `1 + beta s~` at each pair (`evidence.py`); its logarithm climbs per tick by

    mu = E log(1 + beta s~),      s~ = g (h - hbar) / (1 + |hbar|),   g = tanh(w p/2),   h = tanh(kappa (c - r p))

For a Gaussian AR(1) that is an integral over `p` and the next value, taken on a grid. The increments of neighbouring
ticks lean the same way (a large deviation lasts), so the variance `v` per tick of the logarithm is that of long sums:
with `P` the transition kernel and `M` the solution of Poisson's equation `(1 - P) M = E[log(1 + beta s~) | p] - mu`,
`v = E (log(1 + beta s~) - mu + M(p') - M(p))^2`.

**Recentring** costs growth because the running mean `hbar` of past shocks leans to the side of the present deviation.
With `x_t = y_t - r y_{t-1}`, gain `a`, `f = 1 - a`: `Cov(p, sum_k a f^k x_{t-1-k}) = a (1 - r rho) / (1 - rho f)`; the
tanh in `hbar` is replaced by the line of its mean slope (Stein).

**The level tracker** is a linear filter while it does not clip; value, level and slope together have a stationary
covariance (a 3 x 3 Lyapunov equation), from which follows the lag-1 autocorrelation of the pairs it leaves.

**Passage.** A unit of money enters at every tick: as a diffusion, `dR = dt + R ((mu + v/2) dt + sqrt(v) dB)` from 0.
Its mean time to a line `A` is the integral of `G` from 0 to `A`, where (scale function times speed measure)

    y G' = -(2 / (v y) + 2 mu / v + 1) G + 2 / (v y),       G(0) = 1

The mixture of J bets is at least its best member and at most J times it: the line of the best bet lies between
`1/alpha` and `J/alpha`, and the geometric middle is taken. Measured medians agree within 25 % for jumps at constant
variance that halve the distance of the autocorrelation to 1 (thresholds .3 to .9, alpha 1e-3 to 1e-6). Smaller jumps
and larger alpha are seen up to 40 % sooner than this says, and so are jumps at a constant size of shocks, which enlarge
the deviations besides. Next to a random walk deviations last so long that a larger jump is not seen sooner: one to .99
takes up to 7 % longer than one to .98.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from detectors import detrending, half_life
from detectors.arrays import Floats
from detectors.ledger import BETS
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA

_SPAN, _COARSEST = 5.0, 81
STEEPEST = 0.9995
"""Beyond this slope the grid of the integral would need more points than `check` has time for."""
LARGEST_ALPHA = 1e-3
"""Beyond this alpha jumps are seen up to 1.5 times as soon as is said."""
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_STEPS = 1500
_SLOPE_PAIRS = half_life.effective_sample_size(200.0)
"""Of the running slope of a spread channel."""


def lag1_delay(
    threshold: float, rho: float, alpha: float, *, bets: Sequence[float] = BETS, below: bool = False,
    mean_half_life: float = 100.0, level_half_life: float | None = 30.0, input_weight: float = INPUT_WEIGHT,
    kappa: float = KAPPA,
) -> float:  # fmt: skip
    """Ticks until a rule at `threshold` alarms, about, once the lag-1 autocorrelation has jumped to `rho`.

    Both are between -1 and 1; `alpha` is in false alarms per tick. The bets may be on a lag-1 autocorrelation `below`
    the threshold, which is where they are placed (`detrending.py`). `mean_half_life` is that of the recentring, in
    pairs; `level_half_life` that of the level that is taken out, in ticks, None where the level is known. Infinite
    where the evidence shrinks; NaN where taking out the level leaves a slope beyond `STEEPEST`.
    """
    if level_half_life is not None:
        rho = detrended(rho, level_half_life)
    if not abs(rho) < STEEPEST:
        return math.nan
    shift, rest = _mean_shock(threshold, rho, kappa, mean_half_life)
    grid = _grid(rho)
    past, present = grid[:, None], grid[None, :]
    kernel = np.exp(-((present - rho * past) ** 2) / (2.0 * (1.0 - rho * rho)))
    kernel /= kernel.sum(axis=1, keepdims=True)
    points, weights = np.polynomial.hermite_e.hermegauss(6)
    mean = shift * past[:, :, None] + rest * points
    shock = np.tanh(kappa * (present - threshold * past))[:, :, None]
    increment = np.tanh(0.5 * input_weight * past)[:, :, None] * (shock - mean) / (1.0 + np.abs(mean))
    rates = [
        _growth(grid, np.log1p(beta * (-increment if below else increment)), weights / weights.sum(), kernel)
        for beta in bets
    ]
    return _delay(rates, alpha)


def modulus_delay(
    threshold: float, modulus: float, alpha: float, *, bets: Sequence[float] = BETS, mean_half_life: float = 100.0,
    level_half_life: float | None = 30.0, input_weight: float = INPUT_WEIGHT, kappa: float = KAPPA,
) -> float:  # fmt: skip
    """Ticks until a modulus rule alarms, about, once an oscillation's modulus has jumped to `modulus`.

    The second stage reads `-modulus^2`. At a quarter of a period per tick its pairs are two interleaved AR(1) of that
    autocorrelation, two ticks apart: per tick as many bets, each as persistent per own step.
    """
    gain = 0.0 if level_half_life is None else half_life.gain(level_half_life)
    return lag1_delay(
        detrending.modulus(threshold, gain), -(modulus**2), alpha, bets=bets, below=True, mean_half_life=mean_half_life,
        level_half_life=None, input_weight=input_weight, kappa=kappa,
    )  # fmt: skip


def spread_delay(
    ratio: float, actual: float, alpha: float, *, bets: Sequence[float] = BETS, baseline: int = 1000
) -> float:
    """Ticks until a spread rule of variance ratio `ratio` alarms, about, once the variance is `actual` times as large.

    The increment is `(psi(e) - c0) / max(c0, 1 - c0)`, `psi(u) = u^2 / (1 + u^2)`, of Gaussian shocks; `c0` is the mean
    of `psi` over the baseline plus two standard errors. `e` is the smaller of two residuals, and the running slope of
    one of them is off by about one over the root of the pairs that it rests on: its memory, or those since the change.
    """
    level = float(_WEIGHTS @ _psi(_POINTS))
    level += 2.0 * math.sqrt(float(_WEIGHTS @ (_psi(_POINTS) - level) ** 2) / baseline)
    shock, past, slip = _POINTS[:, None, None], _POINTS[None, :, None], _POINTS[None, None, :]
    weights = _WEIGHTS[:, None, None] * _WEIGHTS[None, :, None] * _WEIGHTS[None, None, :]
    ticks = float(_SLOPE_PAIRS)
    for _ in range(3):
        slope = slip / math.sqrt(min(ticks, _SLOPE_PAIRS))
        e = np.minimum(np.abs(shock), np.abs(shock + slope * past)) * math.sqrt(actual / ratio)
        increment = (_psi(e) - level) / max(level, 1.0 - level)
        rates = []
        for beta in bets:
            gain = np.log1p(beta * increment)
            mu = float((weights * gain).sum())
            rates.append((mu, float((weights * (gain - mu) ** 2).sum())))
        ticks = _delay(rates, alpha)
    return ticks


def _psi(u: Floats) -> Floats:
    squared = u * u
    return squared / (1.0 + squared)


def detrended(rho: float, level_half_life: float) -> float:
    """Lag-1 autocorrelation of the pairs that a level tracker leaves of an AR(1) of autocorrelation `rho`.

    State (value, level, slope): `y' = rho y + e`, `d = y' - m - v`, `m' = m + v + a d`, `v' = v + (a^2/4) d`; the
    pair is `(y - m, y' - m - v)`.
    """
    a = half_life.gain(level_half_life)
    b = a * a / 4.0
    step = np.array([[rho, 0.0, 0.0], [a * rho, 1.0 - a, 1.0 - a], [b * rho, -b, 1.0 - b]])
    noise = np.array([1.0, a, b])
    state = np.linalg.solve(np.eye(9) - np.kron(step, step), np.outer(noise, noise).ravel()).reshape(3, 3)
    past, present = np.array([1.0, -1.0, 0.0]), np.array([rho, -1.0, -1.0])
    return float(past @ state @ present / (past @ state @ past))


def _mean_shock(threshold: float, rho: float, kappa: float, mean_half_life: float) -> tuple[float, float]:
    """The running mean as `shift * p + rest * normal`."""
    a = half_life.gain(mean_half_life)
    f = 1.0 - a
    variance = 1.0 - 2.0 * threshold * rho + threshold**2
    # Autocovariances of x for lags k >= 1 are rho^(k-1) times this one; their sum with f^k is geometric.
    first = rho * (1.0 + threshold**2) - threshold * (1.0 + rho * rho)
    of_mean = a / (1.0 + f) * (variance + 2.0 * first * f / (1.0 - rho * f))
    covariance = a * (1.0 - threshold * rho) / (1.0 - rho * f)
    slope = float(_WEIGHTS @ (kappa * (1.0 - np.tanh(kappa * math.sqrt(variance) * _POINTS) ** 2)))
    return slope * covariance, slope * math.sqrt(max(of_mean - covariance**2, 0.0))


def _grid(rho: float) -> Floats:
    """Values in scales, no farther apart than a shock is large."""
    points = math.ceil(2.0 * _SPAN / math.sqrt(1.0 - rho * rho)) + 1
    return np.linspace(-_SPAN, _SPAN, max(points, _COARSEST))


def _growth(grid: Floats, gain: Floats, weights: Floats, kernel: Floats) -> tuple[float, float]:
    """Mean and long-run variance per tick of log gains of shape (past, present, running mean)."""
    stationary = np.exp(-(grid**2) / 2.0)
    for _ in range(30):
        stationary = stationary @ kernel
    stationary /= stationary.sum()
    given, squared = gain @ weights, gain**2 @ weights
    of_past = (kernel * given).sum(axis=1)
    mu = float(stationary @ of_past)
    ahead = np.linalg.solve(np.eye(grid.size) - kernel + stationary, of_past - mu)
    drift = ahead[None, :] - ahead[:, None] - mu
    return mu, float(stationary @ (kernel * (squared + 2.0 * given * drift + drift**2)).sum(axis=1))


def _delay(rates: Sequence[tuple[float, float]], alpha: float) -> float:
    line = math.sqrt(len(rates)) / alpha
    return min(_passage(mu, v, line) for mu, v in rates)


def _passage(mu: float, v: float, line: float) -> float:
    """Mean time of the diffusion from 0 to the line; the linear equation for G by implicit steps in log y."""
    log_y = np.linspace(math.log(0.05), math.log(line), _STEPS)
    h = float(log_y[1] - log_y[0])
    if 1.0 + h * (2.0 * mu / v + 1.0) <= 0.0:  # G grows faster than the steps follow: by more than 1e300 to the line
        return math.inf
    y: list[float] = np.exp(log_y).tolist()  # the arithmetic of Python overflows to infinity without a warning
    G, total = 1.0, y[0]
    for before, after in pairwise(y):
        inflow = 2.0 / (v * after)
        old, G = G, (G + h * inflow) / (1.0 + h * (inflow + 2.0 * mu / v + 1.0))
        total += h * 0.5 * (old * before + G * after)
    return total
