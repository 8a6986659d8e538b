"""The report in a real browser, opened as a file: its pictures show, nothing is fetched, and it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser

import sentinel
from sentinel.commands.main import entry_point
from tests.analysis.lakes import lakes
from tests.browsers import a_browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("report")
    lakes().write_csv(folder / "lakes.csv")
    assert entry_point(["backtest", str(folder / "lakes.csv"), "--out", str(folder), "--quiet"]) == 0
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("width", [400, 1100])
def test_pictures_show_on_any_screen_and_nothing_is_fetched(browser, report, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    complaints, fetched = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(report)
    assert complaints == []
    assert [url for url in fetched if not url.startswith("data:")] == [report]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pictures = page.get_by_role("img", name="Stability spectrogram of")
    assert pictures.count() == 2
    for picture in pictures.all():
        assert picture.bounding_box()["width"] >= 400 * 0.9
    numbers = page.locator("article details").first
    assert not numbers.locator("table").is_visible()
    numbers.locator("summary").click()
    assert numbers.locator("table").is_visible()
    page.close()


def test_series_behind_the_first_five_are_drawn_once_they_come_into_sight_and_all_on_paper(browser, tmp_path):
    values = np.random.default_rng(1).normal(size=(150, 8)).round(3)
    table = pl.DataFrame({"time": np.arange(150), **{f"s{n}": values[:, n] for n in range(8)}})
    address = sentinel.analyse(table).report(tmp_path / "x.html").as_uri()
    page = browser.new_page(viewport={"width": 390, "height": 800})
    complaints, fetched = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(address)
    assert page.locator("canvas").count() == 0
    figures = page.locator("figure.chart")
    assert figures.count() == 3
    figures.last.scroll_into_view_if_needed()
    figures.last.locator("canvas").first.wait_for()
    assert figures.last.locator("canvas").count() == 6
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    name = figures.last.locator("xpath=ancestor::article//h3").inner_text()
    figures.last.locator(".u-over").first.hover()
    said = figures.last.locator(".readout").inner_text()
    time, value = re.match(r"([\d.]+): (-?[\d.]+) ", said).groups()
    assert values[int(float(time) - 0.5), int(name[1:])] == pytest.approx(float(value)), said
    pdf = page.pdf(format="A4")
    assert page.locator("canvas").count() == 18
    assert b"/Type /Page\n" in pdf
    assert complaints == []
    assert [url for url in fetched if not url.startswith("data:")] == [address]
    page.close()


LABELLED = """canvas => {
  const high = 20 * devicePixelRatio, pen = canvas.getContext("2d");
  const strip = pen.getImageData(0, canvas.height - 28 * devicePixelRatio, canvas.width, high);
  const alpha = (x, y) => strip.data[4 * (y * strip.width + x) + 3];
  const inked = Array.from({ length: strip.width }, (_, x) => Array.from({ length: high }, (_, y) => alpha(x, y)));
  const some = inked.map((column) => column.some((one) => one > 0));
  return some.filter((one, x) => one && !some.slice(Math.max(0, x - 12), x).some((left) => left)).length;
}"""
"""Counts the labels below the last picture: pieces of ink with nothing for 12 pixels to their left."""


@pytest.mark.parametrize(("first", "step"), [(1, 1), (1, 10), (401, 8), (1801, 1)])
def test_years_stand_below_the_pictures_of_any_centuries(browser, tmp_path, first, step):
    """Nothing stood below a record that begins with the year 1, which was taken for 1901, or lasts 1,500 years."""
    values = np.random.default_rng(1).normal(size=(200, 6)).round(3)
    table = pl.DataFrame({"time": step * np.arange(200) + first, **{f"s{n}": values[:, n] for n in range(6)}})
    found = sentinel.analyse(table, time_format="years")
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.goto(found.report(tmp_path / "x.html").as_uri())
    figure = page.locator("figure.chart").last
    figure.scroll_into_view_if_needed()
    figure.locator("canvas").last.wait_for()
    assert 4 <= figure.locator("canvas").last.evaluate(LABELLED) <= 16
    page.close()


def test_it_prints_in_few_pages_with_its_pictures(browser, report):
    page = browser.new_page()
    page.goto(report)
    pdf = page.pdf(format="A4")
    page.close()
    assert 3 <= pdf.count(b"/Type /Page\n") <= 12
