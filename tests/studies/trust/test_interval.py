"""The intervals cover what they say, and widen when alarms come in clusters."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.trust.interval import median, rate, share


def test_the_interval_of_a_count_is_garwoods() -> None:
    # Five independent events: 1.62 to 11.67; none: up to 3.69.
    figure = rate(np.array([1, 1, 1, 1, 1, 0, 0, 0]), 10_000)
    assert figure.value == 5.0
    assert figure.low == pytest.approx(1.623, abs=1e-3)
    assert figure.high == pytest.approx(11.668, abs=1e-3)
    assert rate(np.zeros(8, np.int64), 10_000).high == pytest.approx(3.689, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 5])
def test_the_interval_of_a_rate_covers_it_whether_events_come_alone_or_in_clusters(generator, size: int) -> None:
    counts = size * generator.poisson(2.0 / size, (1_000, 50))
    figures = [rate(row, 50 * 10_000) for row in counts]
    covered = np.mean([figure.low <= 2.0 <= figure.high for figure in figures])
    assert 0.92 <= covered <= 0.99


def test_the_interval_of_a_median_covers_it(generator) -> None:
    figures = [median(row) for row in generator.exponential(1.0, (1_000, 40))]
    covered = np.mean([figure.low <= np.log(2.0) <= figure.high for figure in figures])
    assert 0.93 <= covered <= 0.99


def test_what_never_comes_is_later_than_everything() -> None:
    assert median(np.array([1.0, 2.0, np.inf, np.inf, np.inf])).value == np.inf
    assert median(np.array([1.0, 2.0, 3.0, np.inf, np.inf])).value == 3.0


def test_the_interval_of_a_share_is_that_of_clopper_and_pearson() -> None:
    figure = share(0, 100)
    assert (figure.value, figure.low) == (0.0, 0.0)
    assert figure.high == pytest.approx(0.0362, abs=1e-4)
    assert share(100, 100).low == pytest.approx(1 - 0.0362, abs=1e-4)
