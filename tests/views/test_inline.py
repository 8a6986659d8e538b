"""The picture inside a page: the same numbers at the same places as in the data, whatever they are."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from sentinel.domain.observation import Axis, CalendarAxis, NumberAxis
from sentinel.pipeline.history import Columns
from sentinel.views.picture import Alarm, inline, scales
from sentinel.views.picture.inline import TOP, WIDTH, draw_inline
from sentinel.views.picture.inline_panels import LEFT, RIGHT, WIDEST, Panel
from sentinel.views.picture.svg import band, line, steps
from tests.views.drawing import DAY, RULES, THRESHOLDS, alarm_of, columns_of, rows_of

SVG = "{http://www.w3.org/2000/svg}"


def drawn(columns: Columns, axis: Axis | None = None, alarms: Sequence[Alarm] = (), **more: str) -> ET.Element:
    words = {"key": "p", "subtitle": "1 tick = 1 day", "value_label": "ph", "words": "No alarm."} | more
    text = draw_inline(columns, axis or CalendarAxis(), tuple(THRESHOLDS), DAY, RULES, alarms, **words)
    return ET.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def walk(way: str) -> list[list[tuple[float, float]]]:
    """The points of a path, piece by piece; all that is understood is what is written."""
    pieces: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, rest in re.findall(r"([MLlhHvVZ])([^MLlhHvVZ]*)", way):
        numbers = [float(number) for number in rest.split()]
        if command in "Ml":
            for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
                x, y = (dx, dy) if command == "M" else (x + dx, y + dy)
                pieces.append([(x, y)]) if command == "M" else pieces[-1].append((x, y))
        elif command != "Z":
            for number in numbers:
                x = number if command == "H" else x + number if command == "h" else x
                y = number if command == "V" else y + number if command == "v" else y
                pieces[-1].append((x, y))
    return pieces


def words_of(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def without_images(picture: ET.Element) -> str:
    return re.sub('href="[^"]*"', "", ET.tostring(picture, encoding="unicode")).lower()


numbers = st.one_of(st.floats(0, 400), st.just(float("nan")))


@given(st.lists(numbers, min_size=1, max_size=60))
def test_steps_pass_every_value_that_is_known_and_no_other(values):
    edges = 5 + 3 * np.arange(len(values) + 1)
    found = {}
    for piece in walk(steps(edges, np.array(values))):
        for (x, y), (beyond, same) in pairwise(piece):
            found |= {int(edge): y for edge in range(int(x), int(beyond)) if y == same}
    expected = {int(edges[n]) + 1: round(v) for n, v in enumerate(values) if not np.isnan(v)}
    assert {edge: y for edge, y in found.items() if edge in set((edges[:-1] + 1).tolist())} == expected


@given(st.lists(numbers, min_size=1, max_size=60))
def test_a_line_breaks_where_a_value_is_missing(values):
    x = 10 * np.arange(len(values))
    points = [point for piece in walk(line(x, np.array(values))) for point in piece]
    known = {(float(at), float(round(v))) for at, v in zip(x.tolist(), values, strict=True) if not np.isnan(v)}
    assert known <= set(points)
    pieces = "".join("x" if np.isnan(v) else "-" for v in values).split("x")
    assert len(walk(line(x, np.array(values)))) == len([piece for piece in pieces if piece])


def test_a_band_lies_between_its_lines():
    edges = np.array([0, 10, 20, 30])
    way = band(edges, np.array([5.0, 6.0, np.nan]), np.array([1.0, 2.0, 3.0]))
    (piece,) = walk(way)
    assert piece == [(0, 5), (10, 5), (10, 6), (20, 6), (20, 2), (10, 2), (10, 1), (0, 1)]


@pytest.mark.parametrize(
    "rows",
    [
        rows_of(1), rows_of(2), rows_of(19), rows_of(400), rows_of(400, {100: 50, 101: 60}),
        rows_of(5, {2: 900}), rows_of(3, {0: 5, 1: 5, 2: 5}), rows_of(3000),
    ],
    ids=["one tick", "two ticks", "never ready", "usual", "gaps", "mostly a gap", "gaps only", "long"],
)  # fmt: skip
@pytest.mark.parametrize("axis", [CalendarAxis(), NumberAxis(-40.0, 0.25)], ids=["calendar", "numbers"])
def test_anything_that_has_a_row_can_be_drawn_and_stays_inside(rows, axis):
    picture = drawn(columns_of(rows), axis, [alarm_of(int(rows.end_us[0]))])
    for element in picture.iter(f"{SVG}path"):
        if element.get("transform") is None:
            for x, y in (point for piece in walk(element.get("d").split("l12")[0]) for point in piece):
                assert -2 <= x <= WIDTH
                assert -2 <= y <= float(picture.get("viewBox").split()[3])
    assert "nan" not in without_images(picture)


def test_extreme_values_and_infinite_evidence_are_drawn_without_complaint():
    rows = rows_of(60)
    rows.value[30:] = 1e300
    rows.residual[30:] = -1e300
    rows.evidence[40:] = 250.0
    rows.estimates.spread[40:], rows.estimates.modulus[40:], rows.estimates.period[45:] = 900.0, 3.0, 1e6
    rows.estimates.criticality[40:] = np.inf
    rows.readings[40:] = 1e30
    assert "nan" not in without_images(drawn(columns_of(rows)))


def test_the_zero_line_lies_at_the_lag1_autocorrelation():
    rows = rows_of(400)
    picture = drawn(columns_of(rows))
    top = TOP + inline.HEIGHTS["data"] + inline.HEIGHTS["residual"] + 2 * inline.APART
    panel = Panel(top, top + inline.HEIGHTS["spectrum"], *np.arctanh(THRESHOLDS[[0, -1]]))
    expected = np.rint(panel.y(np.arctanh(rows.estimates.lag1[20:])))
    lines = [element.get("d") for element in picture.iter(f"{SVG}path") if element.get("stroke-width") == "2.8"]
    (piece,) = walk(lines[0])
    assert piece[0] == (round(LEFT + 20 / 400 * (RIGHT - LEFT)), expected[0])
    assert piece[-1] == (RIGHT, expected[-1])
    assert {y for _, y in piece} == set(expected)


def test_the_image_has_the_colours_of_the_readings_and_grey_where_nothing_was_ready():
    rows = rows_of(100, warm_up=50)
    picture = drawn(columns_of(rows))
    address = next(picture.iter(f"{SVG}image")).get("href")
    pixels = imread(io.BytesIO(base64.b64decode(address.partition(",")[2])))[:, :, :3]
    assert pixels.shape[1] == 100
    np.testing.assert_allclose(pixels[:, :50], 0xDC / 255, atol=1e-6)
    fine = scales.interpolate(columns_of(rows).readings)[::-1, 50:]
    share = 0.5 + np.arcsinh(np.clip(fine, -12, 12)) / np.arcsinh(12) / 2
    np.testing.assert_allclose(pixels[:, 50:], scales.READING_COLOURS(share)[:, :, :3], atol=0.02)


def test_of_a_series_that_was_never_ready_the_data_are_drawn_and_no_empty_panels():
    rows = rows_of(19)
    height = float(drawn(columns_of(rows)).get("viewBox").split()[3])
    assert height < 0.5 * float(drawn(columns_of(rows_of(60))).get("viewBox").split()[3])
    rows.residual[:] = np.nan
    picture = drawn(columns_of(rows))
    assert float(picture.get("viewBox").split()[3]) < height
    assert next(picture.iter(f"{SVG}image"), None) is None
    assert "ph" in words_of(picture)
    assert any(words.startswith("learning") for words in words_of(picture))


def test_lines_lie_over_the_hatching_of_blind_ticks():
    # Bug: data of a blind sensor were hidden under the hatching, and so were the words behind it.
    picture = drawn(columns_of(rows_of(300, {150: 40})))
    order = [element.get("fill") + (element.get("stroke-width") or "") for element in picture.findall(f"{SVG}path")]
    assert order.index("url(#p-blind)") < order.index("none1.8")


def test_a_narrowed_gap_is_named_and_the_image_has_the_columns_where_they_lie():
    columns = columns_of(rows_of(300, {150: 400}))
    picture = drawn(columns)
    assert any("not to scale" in words for words in words_of(picture))
    address = next(picture.iter(f"{SVG}image")).get("href")
    assert imread(io.BytesIO(base64.b64decode(address.partition(",")[2]))).shape[1] == WIDEST


def test_alarms_are_marked_where_they_were_raised_with_a_key():
    rows = rows_of(100)
    kinds = [("lag1", "above"), ("lag1", "below"), ("modulus", "above"), ("spread", "above")]
    alarms = [alarm_of(int(rows.end_us[29 + 10 * n]), None, kind, side) for n, (kind, side) in enumerate(kinds)]
    picture = drawn(columns_of(rows), alarms=alarms)
    named = [words for words in words_of(picture) if words.startswith("alarm on")]
    assert sorted(named) == ["alarm on lag-1", "alarm on lag-1, lower side", "alarm on modulus", "alarm on spread"]
    marks = [element.get("transform") for element in picture.iter(f"{SVG}path") if element.get("transform")]
    for n in range(len(kinds)):
        place = round(LEFT + (30 + 10 * n) / 100 * (RIGHT - LEFT))
        assert f"translate({place} {TOP})" in marks


def test_words_of_the_owner_are_letters_and_what_is_seen_is_said():
    evil = '</svg><script>alert("x")</script> & ü'
    picture = drawn(columns_of(rows_of(30)), value_label=evil, words=evil, subtitle=evil)
    assert picture.find(f"{SVG}title").text == evil
    assert picture.get("role") == "img"
    assert picture.get("aria-labelledby") == picture.find(f"{SVG}title").get("id")
    assert words_of(picture).count(evil) == 2


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(0, 5))
def test_the_same_picture_is_the_same_text(ticks, seed):
    columns = columns_of(rows_of(ticks, seed=seed))
    assert ET.tostring(drawn(columns)) == ET.tostring(drawn(columns))
