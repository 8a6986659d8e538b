"""Surrogates of a record: others of the same length and memory, in which nothing rises or falls for good.

What a p-value says depends on how the surrogates are made, so there are three null hypotheses (`NULLS`), and each has a
p-value of its own. All keep the mean memory of the record and have no trend in anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

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

Draw: TypeAlias = Callable[[int, np.random.Generator], Floats]
"""Draws so many records of the length of the original, (record, tick), without missing values."""


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
    """Fit an AR process whose order is chosen by Akaike's criterion; NaN = missing."""
    # Imported here, as below: statsmodels takes a second.
    from statsmodels.tsa.stattools import levinson_durbin

    covariances = _covariances(record, _HIGHEST_ORDER)
    best, least = np.zeros(0), math.inf
    for order in range(1, _HIGHEST_ORDER + 1):
        variance, coefficients, partial, *_ = levinson_durbin(covariances, nlags=order, isacov=True)
        if not (variance > 0.0 and abs(partial[-1]) < 1.0):  # with missing values covariances may be impossible ones
            break
        criterion = np.count_nonzero(~np.isnan(record)) * math.log(variance) + 2 * order
        if criterion < least:
            best, least = coefficients, criterion
    return np.asarray(best, np.float64)


def fit_arma(record: Floats) -> tuple[Floats, Floats] | None:
    """Fit an ARMA(1, 1) process by Hannan and Rissanen's least squares; None where there is no stationary one.

    Gives the coefficients of the past values and of the past shocks.
    """
    from statsmodels.tsa.arima.estimators.hannan_rissanen import hannan_rissanen

    whole = _longest_stretch(record)
    if whole.size < FEWEST_IN_A_ROW or np.ptp(whole) == 0.0:
        return None
    fitted, _ = hannan_rissanen(whole - whole.mean(), ar_order=1, ma_order=1, demean=False)
    if not (fitted.is_stationary and fitted.is_invertible):
        return None
    return np.asarray(fitted.ar_params), np.asarray(fitted.ma_params)


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
    from statsmodels.tsa.stattools import acovf

    return np.asarray(acovf(record, missing="conservative", fft=False, nlag=lags), np.float64)


def _longest_stretch(record: Floats) -> Floats:
    """Give the longest run without a missing value."""
    borders = np.flatnonzero(np.diff(np.pad(~np.isnan(record), 1).astype(np.int8)))
    begins, ends = borders[::2], borders[1::2]
    longest = int(np.argmax(ends - begins))
    return record[begins[longest] : ends[longest]]


def _arma(past: Floats, shocks: Floats, ticks: int) -> Draw:
    def draw(number: int, random: np.random.Generator) -> Floats:
        from statsmodels.tsa.arima_process import arma_generate_sample

        drawn = arma_generate_sample(
            np.append(1.0, -past), np.append(1.0, shocks), (number, ticks), distrvs=random.standard_normal, axis=1,
            burnin=_BURN_IN,
        )  # fmt: skip
        return np.asarray(drawn, np.float64)

    return draw


def _blocks(record: Floats) -> Draw:
    """Put blocks of the values one behind the other, begun at random, around the end of the record if need be."""
    values = record[~np.isnan(record)]
    length = block_length(values)
    blocks = -(-record.size // length)

    def draw(number: int, random: np.random.Generator) -> Floats:
        begins = random.integers(values.size, size=(number, blocks))
        at = (begins[:, :, None] + np.arange(length)).reshape(number, -1)[:, : record.size]
        return np.asarray(values[at % values.size])

    return draw
