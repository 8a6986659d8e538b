"""Marks of missing values do not press the data of a picture into a line; whatever was judged is shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.observation import CalendarAxis
from sentinel.views.picture.figure import draw
from sentinel.views.picture.scales import find_shown
from tests.views.drawing import DAY, THRESHOLDS, columns_of, rows_of


def columns_with(places, value, residual=np.nan):
    rows = rows_of(300)
    rows.value[places], rows.residual[places] = value, residual
    return columns_of(rows)


def shown(columns):
    return find_shown(columns.value_low, columns.value_high, columns)


@pytest.mark.slow
def test_a_fill_value_of_a_logger_made_the_data_a_line():
    columns = columns_with([0, 40, 140, 141, 240], -888.88)
    found = shown(columns)
    assert -4 < found.least < found.most < 4
    assert "-888.9 to" in found.note
    low, high = draw(columns, CalendarAxis(), THRESHOLDS, DAY).axes[0].get_ylim()
    assert -6 < low < high < 6


@given(st.integers(1, 299), st.floats(-1e6, 1e6), st.integers(3, 20))
def test_values_that_stay_or_were_judged_are_in_the_picture(at, value, stay):
    for columns in (
        columns_with(slice(at, at + stay), value),  # it stays, or is the newest
        columns_with([at], value, 1e3),
        columns_of(rows_of(15)),
    ):
        assert shown(columns) == (np.nanmin(columns.value_low), np.nanmax(columns.value_high), "")


@pytest.mark.parametrize(
    ("scale", "shift"),
    [
        pytest.param(1.0, 0.0, marks=pytest.mark.slow),
        (2e4, -2.5e5),
        pytest.param(2e-3, 1013.2, marks=pytest.mark.slow),
        pytest.param(1e3, 9e6, marks=pytest.mark.slow),
        pytest.param(1e-5, 0.0, marks=pytest.mark.slow),
    ],
)
def test_names_of_panels_left_the_page_where_values_have_many_digits(scale, shift):
    rows = rows_of(300)
    rows.value[:] = rows.value * scale + shift
    figure = draw(columns_of(rows), CalendarAxis(), THRESHOLDS, DAY, value_label="conductance")
    figure.canvas.draw()
    assert min(panel.yaxis.label.get_window_extent().x0 for panel in figure.axes[:6]) > 0
