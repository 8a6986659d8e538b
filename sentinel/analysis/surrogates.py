"""Surrogates of a record: others of the same length and memory, in which nothing rises or falls for good.

What a p-value says depends on how the surrogates are made, so there are three null hypotheses (`NULLS`), and each has a
p-value of its own. All keep the mean memory of the record and have no trend in anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from sentinel.analysis.surrogate_kernel import run_arma
from sentinel.pipeline.arrays import Floats

NULLS: Mapping[str, str] = {
    "AR": "a linear process of its autocovariances, AR(p) with p of 1 to 5 by Akaike's criterion",
    "ARMA": "the same seen with errors of observation, ARMA(1, 1), fitted to its longest stretch without "
    "missing values (-: none can be fitted)",
    "blocks": "its own values in blocks as long as its memory, drawn at random: any distribution, in no order",
}
"""The record under each null hypothesis, in words."""
SEED = 20_121
FEWEST_IN_A_ROW = 100
"""Values without a missing one that an ARMA process is fitted to."""
SHORTEST_BLOCK = 10
FEWEST_BLOCKS = 5
_HIGHEST_ORDER = 5
_QUIET_LAGS = 5
_BURN_IN = 500
_AT_ONCE = 1 << 18
"""Numbers of surrogates that are held together."""

Draw: TypeAlias = Callable[[int], Iterator[Floats]]
"""Draws so many records of the length of the original, (tick, record), some at a time; no value is missing."""


def list_nulls(record: Floats, nulls: Sequence[str] = tuple(NULLS)) -> dict[str, Draw]:
    """Give what draws surrogates under each of these null hypotheses that can be fitted; NaN = missing."""
    found = {}
    if "AR" in nulls:
        found["AR"] = _arma(fit_ar(record), np.zeros(0), record.size)
    if "ARMA" in nulls and (both := fit_arma(record)) is not None:
        found["ARMA"] = _arma(*both, record.size)
    if "blocks" in nulls:
        found["blocks"] = _blocks(record)
    return found


def fit_ar(record: Floats) -> Floats:
    """Fit an AR process by Yule-Walker, its order chosen by Akaike's criterion; NaN = missing."""
    covariances = _covariances(record, _HIGHEST_ORDER)
    variance, coefficients = float(covariances[0]), np.zeros(0)
    best, least = coefficients, math.inf
    values = np.count_nonzero(~np.isnan(record))
    for order in range(1, _HIGHEST_ORDER + 1):  # Levinson and Durbin's recursion
        partial = (covariances[order] - coefficients @ covariances[order - 1 : 0 : -1]) / variance
        coefficients = np.append(coefficients - partial * coefficients[::-1], partial)
        variance *= 1.0 - partial * partial
        if not (variance > 0.0 and abs(partial) < 1.0):  # with missing values covariances may be impossible ones
            break
        criterion = values * math.log(variance) + 2 * order
        if criterion < least:
            best, least = coefficients, criterion
    return best


def fit_arma(record: Floats) -> tuple[Floats, Floats] | None:
    """Fit an ARMA(1, 1) process by Hannan and Rissanen's least squares; None where there is no stationary one.

    Gives the coefficients of the past values and of the past shocks. The steps are those of `hannan_rissanen` of
    statsmodels, which takes twenty times as long for any order.
    """
    whole = _longest_stretch(record)
    if whole.size < FEWEST_IN_A_ROW or np.ptp(whole) == 0.0:
        return None
    whole = whole - whole.mean()
    # Shocks are guessed by a long AR process, and the values fitted to the values and guessed shocks before them.
    order = int(math.log(whole.size) ** 2)
    covariances = _covariances(whole, order)
    distance = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    long = np.linalg.solve(covariances[distance], covariances[1:])
    guessed = np.convolve(whole, np.append(1.0, -long), "valid")
    fitted = _regress(whole[order + 1 :], whole[order:-1], guessed[:-1])
    if not np.all(np.abs(fitted) < 1.0):
        return None
    # The bias of that is estimated from the shocks which the fitted process has.
    past, later = fitted[:1], fitted[1:]
    driven = np.append(0.0, whole[1:] - past * whole[:-1])
    shocks = _run(driven, -later)
    fitted = fitted + _regress(
        shocks[1:], _run(shocks, past)[:-1], np.append(0.0, shocks[1:] - later * shocks[:-1])[:-1]
    )
    return (fitted[:1], fitted[1:]) if np.all(np.abs(fitted) < 1.0) else None


def _regress(values: Floats, *regressors: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(np.column_stack(regressors), values, rcond=None)[0], np.float64)


def _run(shocks: Floats, past: Floats) -> Floats:
    return run_arma(shocks[:, None], past, np.zeros(0))[:, 0]


def block_length(values: Floats) -> int:
    """Give the number of lags after which values are no longer correlated, as far as can be seen, in 10 to n / 5.

    That is the first lag behind which five in a row are within what white noise would have (Politis & White 2004,
    doi:10.1081/ETC-120028836).
    """
    longest = max(SHORTEST_BLOCK, values.size // FEWEST_BLOCKS)
    covariances = _covariances(values, min(longest + _QUIET_LAGS, values.size - 1))
    if not covariances[0] > 0.0:
        return SHORTEST_BLOCK
    loud = np.abs(covariances / covariances[0]) > 2.0 * math.sqrt(math.log10(values.size) / values.size)
    quiet = np.convolve(~loud[1:], np.ones(_QUIET_LAGS), "valid") == _QUIET_LAGS
    first = int(np.argmax(quiet)) if quiet.any() else longest
    return min(max(2 * first, SHORTEST_BLOCK), longest)


def _covariances(record: Floats, lags: int) -> Floats:
    """Give the autocovariances at lags 0 to `lags`; pairs with a missing value count as 0."""
    there = ~np.isnan(record)
    values = np.where(there, record, 0.0)
    deviation = np.where(there, values - values.sum() / there.sum(), 0.0)
    products = [float(deviation[lag:] @ deviation[: deviation.size - lag]) for lag in range(lags + 1)]
    return np.array(products) / float(there.sum())


def _longest_stretch(record: Floats) -> Floats:
    """Give the longest run without a missing value."""
    borders = np.flatnonzero(np.diff(np.pad(~np.isnan(record), 1).astype(np.int8)))
    begins, ends = borders[::2], borders[1::2]
    longest = int(np.argmax(ends - begins))
    return record[begins[longest] : ends[longest]]


def _arma(past: Floats, later: Floats, ticks: int) -> Draw:
    def draw(number: int) -> Iterator[Floats]:
        for shocks in _draw_shocks(number, ticks):
            yield run_arma(shocks, past, later)[_BURN_IN:]

    return draw


def _draw_shocks(number: int, ticks: int) -> Iterator[Floats]:
    """Draw shocks (tick, record) with those before the first tick; of equally long records they are the same."""
    several = list(_split(number, ticks))
    if len(several) == 1:
        yield _keep_shocks(number, ticks + _BURN_IN)
        return
    random = np.random.default_rng(SEED)
    for some in several:
        yield np.ascontiguousarray(random.standard_normal((some, ticks + _BURN_IN)).T)


@lru_cache(maxsize=1)  # the series of a table are equally long, mostly
def _keep_shocks(number: int, ticks: int) -> Floats:
    return np.ascontiguousarray(np.random.default_rng(SEED).standard_normal((number, ticks)).T)


def _split(number: int, ticks: int) -> Iterator[int]:
    """Split so many records of this length into as many as are held together."""
    at_once = max(1, _AT_ONCE // ticks)
    for made in range(0, number, at_once):
        yield min(at_once, number - made)


def _blocks(record: Floats) -> Draw:
    """Put blocks of the values one behind the other, begun at random, around the end of the record if need be."""
    values = record[~np.isnan(record)]
    length = block_length(values)
    blocks = -(-record.size // length)

    def draw(number: int) -> Iterator[Floats]:
        random = np.random.default_rng(SEED)
        for some in _split(number, record.size):
            begins = random.integers(values.size, size=(some, blocks))
            at = (begins.T[:, None, :] + np.arange(length)[:, None]).reshape(-1, some)[: record.size]
            yield np.asarray(values[at % values.size])

    return draw
