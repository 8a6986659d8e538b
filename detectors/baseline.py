r"""The baseline period: what a series was like in its first `N` valid pairs, for rules that compare it with itself.

*Relative threshold* ("slower than its own past"). With `zc` the root of the sum of plain increments over the baseline
(its lag-1 autocorrelation) and `U` the smallest threshold at which the reversed gambler

    mean_j prod_t (1 - beta_j s~_t(r))

has reached 1/0.05 by the baseline's end (so that P(U < the true value) <= 5 %, by Ville), the threshold is

    r = max(zc + delta, U),        delta = 0.1, and 0.05 where zc > 0.7.

The bare crossing would break the budget: it is below the truth half of the time. For the lower side present values
change sign: `r` is then minus what the mirrored series gets. Both searches run over the grid -0.98, -0.96 ... 0.98 by
bisection: the sum falls in `r` on every path, the reversed wealth rises but for ripples.

*Spread.* Of the deviations `d` (present) and `d'` (past) in the series' own units: `rho` = least-squares slope, `tau` =
median|d - rho d'| / 0.6745, `c0` = mean of psi(|d - rho d'| / tau) and two standard errors.

A baseline whose halves disagree about lag-1 autocorrelation by more than three standard errors is flagged.
"""

from __future__ import annotations

import math

import numpy as np

from detectors.activation import tanh
from detectors.arrays import Floats
from detectors.compiled import allocating, part

HIGHEST = 0.98
STEPS = 98
"""Of 0.02 each, from -0.98 to 0.98."""
SURE = 20.0
DELTA, DELTA_HIGH, HIGH = 0.1, 0.05, 0.7
NORMAL_QUARTILE = 0.6744897501960817


@part
def psi(u: float) -> float:
    """`u^2 / (1 + u^2)`: a bounded square."""
    return u * u / (1.0 + u * u)


@part
def _at(step: int) -> float:
    return -HIGHEST + 0.02 * step


@part
def _unfolded(pairs: Floats, sign: float, w: float) -> Floats:
    """Past, present and weight of each pair, dimensionless; (3, pair). Searches ask for them at every threshold."""
    out = np.empty((3, pairs.shape[0]))
    for i in range(pairs.shape[0]):
        out[0, i], out[1, i] = pairs[i, 0] / pairs[i, 2], sign * pairs[i, 1] / pairs[i, 2]
        out[2, i] = tanh(0.5 * w * out[0, i])
    return out


@part
def _errors(given: Floats, r: float, kappa: float) -> Floats:
    """Saturated prediction errors at threshold `r`, in a loop of its own: it becomes vector instructions."""
    past, present, out = given[0], given[1], np.empty(given.shape[1])
    for i in range(out.shape[0]):
        out[i] = tanh(kappa * (present[i] - r * past[i]))
    return out


@part
def _sum(given: Floats, r: float, kappa: float) -> float:
    """Sum of plain increments at threshold `r`."""
    total, h = 0.0, _errors(given, r, kappa)
    for i in range(h.shape[0]):
        total += given[2, i] * h[i]
    return total


@allocating
def crossing(pairs: Floats, sign: float, w: float, kappa: float) -> float:
    """Threshold at which the sum of plain increments is zero, linear between grid points."""
    given = _unfolded(pairs, sign, w)
    low, high = 0, STEPS
    if _sum(given, _at(low), kappa) <= 0.0:
        return -HIGHEST
    if _sum(given, _at(high), kappa) > 0.0:
        return HIGHEST
    while high - low > 1:
        middle = (low + high) // 2
        if _sum(given, _at(middle), kappa) > 0.0:
            low = middle
        else:
            high = middle
    above = _sum(given, _at(low), kappa)
    below = _sum(given, _at(high), kappa)
    return _at(low) + 0.02 * above / (above - below)


@part
def _reversed(given: Floats, r: float, bets: Floats, kappa: float, gain: float) -> float:
    """Log-wealth of the reversed gambler at the baseline's end, of the mean over his bets."""
    wealth = np.zeros(bets.shape[0])
    mean, h = 0.0, _errors(given, r, kappa)
    for i in range(h.shape[0]):
        x = given[2, i] * (h[i] - mean) / (1.0 + abs(mean))
        mean += gain * (h[i] - mean)
        for j in range(bets.shape[0]):
            wealth[j] += math.log1p(-bets[j] * x)
    best = -math.inf
    for j in range(bets.shape[0]):
        best = max(best, wealth[j])
    total = 0.0
    for j in range(bets.shape[0]):
        total += math.exp(wealth[j] - best)
    return best + math.log(total / bets.shape[0])


@part
def upper_bound(pairs: Floats, sign: float, bets: Floats, w: float, kappa: float, gain: float) -> float:
    """Smallest threshold of the grid that lag-1 autocorrelation is below, at 5 %; the highest if there is none."""
    given = _unfolded(pairs, sign, w)
    low, high = 0, STEPS
    if _reversed(given, _at(high), bets, kappa, gain) < math.log(SURE):
        return HIGHEST
    while high - low > 1:
        middle = (low + high) // 2
        if _reversed(given, _at(middle), bets, kappa, gain) < math.log(SURE):
            low = middle
        else:
            high = middle
    return _at(high)


@part
def relative_threshold(
    pairs: Floats, sign: float, delta: float, bets: Floats, w: float, kappa: float, gain: float
) -> float:
    """`max(zc + delta, U)`, at most 0.98; `delta` NaN = by the baseline. Negative side: minus that of the mirror."""
    zc = crossing(pairs, sign, w, kappa)
    step = delta
    if math.isnan(step):
        step = DELTA_HIGH if zc > HIGH else DELTA
    nearest: float = max(zc + step, upper_bound(pairs, sign, bets, w, kappa, gain))
    return sign * min(HIGHEST, nearest)


@part
def halves_disagree(pairs: Floats, w: float, kappa: float) -> bool:
    """True if the two halves' lag-1 autocorrelations differ by more than three standard errors."""
    n = pairs.shape[0]
    one, other = crossing(pairs[: n // 2], 1.0, w, kappa), crossing(pairs[n // 2 :], 1.0, w, kappa)
    middle = 0.5 * (one + other)
    error = math.sqrt(max(1.0 - middle * middle, 0.01) * 2.0 / (n // 2))
    return abs(one - other) > 3.0 * error


@part
def _median(values: Floats) -> float:
    """Median of nonnegative values by bisection on the count below, to 50 binary digits."""
    low, high = 0.0, 0.0
    for i in range(values.shape[0]):
        high = max(high, values[i])
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = 0
        for i in range(values.shape[0]):
            if values[i] <= middle:
                below += 1
        if 2 * below < values.shape[0]:
            low = middle
        else:
            high = middle
    return high


@part
def spread_baseline(pairs: Floats, out: Floats) -> None:
    """Write slope, scale and expected `psi` (with its margin) of the baseline to the first three of `out`."""
    n = pairs.shape[0]
    sxy, sxx = 0.0, 0.0
    for i in range(n):
        sxy += pairs[i, 0] * pairs[i, 1]
        sxx += pairs[i, 0] * pairs[i, 0]
    slope = sxy / sxx if sxx > 0.0 else 0.0
    residual = np.empty(n)
    for i in range(n):
        residual[i] = abs(pairs[i, 1] - slope * pairs[i, 0])
    tau = max(_median(residual) / NORMAL_QUARTILE, 1e-300)
    total, squares = 0.0, 0.0
    for i in range(n):
        value = psi(residual[i] / tau)
        total += value
        squares += value * value
    mean = total / n
    out[0], out[1] = slope, tau
    out[2] = mean + 2.0 * math.sqrt(max(squares / n - mean * mean, 0.0) / n)
