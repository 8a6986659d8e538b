"""The pages in a real browser: they draw and refresh themselves, by pointer and by keyboard, on any screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browsers import a_browser
from tests.fixtures import estimated
from tests.runtime.rig import Rig, Sink, frame

PATHS = (
    "/", "/series/lake/loaded", "/alarms", "/alarms/{alarm}", "/alarms/{alarm}/explanation", "/sources", "/config",
    "/status", "/nope",
)  # fmt: skip
COLOURS = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let at = 0; at < pixels.length; at += 4) seen.add(pixels.slice(at, at + 4).join());
  return seen.size;
}"""


COLOURS_NEAR_WHITE = """canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let at = 0; at < pixels.length; at += 4)
    found += pixels[at + 3] > 200 && Math.min(...pixels.slice(at, at + 3)) > 190;
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def said() -> list[str]:
    """What the console of the page says."""
    return []


@pytest.fixture
def page(browser: Browser, server, said: list[str]) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, base_url=server.address)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()


@pytest.fixture
def alarm(daemon, tmp_path: Path) -> str:
    """The id of an alarm of a series with a history."""
    rig = Rig(tmp_path, out=Sink())
    rig.feed(frame(0, 230))
    raised = [event for event in rig.engine.events if event["what"] == "raised"]
    time_us = daemon.snapshot.taken_us - 5 * 86_400_000_000
    daemon.events = [*rig.engine.events, raised[0] | {"series": "lake/loaded", "alarm_id": "shown", "time_us": time_us}]
    return "shown"


def wait_for_charts(page: Page, panels: int) -> None:
    # Asked from outside: the page's own policy forbids the eval that wait_for_function needs.
    until = monotonic() + 10
    while page.locator(".uplot canvas").count() < panels and monotonic() < until:
        page.wait_for_timeout(50)
    assert page.locator(".uplot canvas").count() == panels


@pytest.mark.slow
def test_the_page_draws_and_refreshes_itself_without_an_error(page: Page, said: list[str], daemon) -> None:
    page.goto("/")
    wait_for_charts(page, 8)
    figure = page.locator("figure[data-series='lake/loaded']")
    canvas = figure.locator("canvas").first
    assert canvas.evaluate(COLOURS) > 50
    assert "Lag-1 autocorrelation rose from" in figure.locator("[role=img]").get_attribute("aria-label")
    assert page.locator(".badge", has_text="critical").count() == 2

    page.locator("a", has_text="lake/control").first.focus()
    page.locator("[name=q]").fill("half a word")
    canvas.evaluate("canvas => { canvas.marked = true; }")
    view = estimated(daemon.snapshot.view("lake/control"), lag1=0.42)
    series = {**daemon.snapshot.series, "lake/control": view}
    daemon.snapshot = replace(daemon.snapshot, series=series, taken_us=daemon.snapshot.taken_us + 1)
    page.wait_for_selector("text=0.42 (0.21 to 0.48)", timeout=8000)
    assert canvas.evaluate("canvas => canvas.marked"), "the canvas is the same one: nothing flickers"
    assert page.locator("[name=q]").input_value() == "half a word"
    assert said == []


def shown(page: Page) -> str:
    return page.locator(".zoom [aria-pressed=true]").inner_text()


@pytest.mark.slow
def test_the_history_of_a_series_is_zoomed_by_keyboard_and_by_pointer(page: Page, said: list[str]) -> None:
    page.goto("/series/lake/loaded")
    wait_for_charts(page, 6)
    value = page.locator(".uplot canvas").first
    whole = value.screenshot()
    assert shown(page) == "all"
    page.locator(".zoom button", has_text="1 w").focus()
    page.keyboard.press("Enter")
    assert shown(page) == "1 w"
    week = value.screenshot()
    assert week != whole
    box = value.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60)
    assert "UTC" in page.locator(".readout").inner_text()
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    page.mouse.move(0, 0)
    assert page.locator(".zoom [aria-pressed=true]").count() == 0
    assert value.screenshot() not in (whole, week)
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 60)
    assert shown(page) == "all"
    assert said == []


@pytest.mark.slow
def test_an_alarm_is_shown_from_ten_half_lives_before_it(page: Page, alarm: str, daemon) -> None:
    page.goto(f"/alarms/{alarm}")
    wait_for_charts(page, 6)
    begin_us = int(page.locator("figure").get_attribute("data-from"))
    view = daemon.snapshot.view("lake/loaded")
    before_us = round(10 * view.half_life_ticks * view.cadence_seconds * 1e6)
    assert daemon.events[-1]["time_us"] - begin_us == before_us


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_anybody(page: Page, alarm: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    for path in PATHS:
        page.goto(path.format(alarm=alarm))
        page.wait_for_timeout(200)
        found = Axe().run(page)
        violations = found.response["violations"]
        serious = [one for one in violations if one["impact"] in ("serious", "critical") or "landmark" in one["id"]]
        assert not serious, (path, [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in serious])


@pytest.mark.slow
def test_on_a_phone_no_page_is_wider_than_the_screen(page: Page, alarm: str) -> None:
    # Bug: five columns of alarms beside each other left a word a line, outside the screen.
    page.set_viewport_size({"width": 390, "height": 800})
    for path in PATHS:
        page.goto(path.format(alarm=alarm))
        page.wait_for_timeout(200)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, path
    page.goto("/alarms")
    box = page.locator("td").last.bounding_box()
    assert box["width"] > 250
    assert box["x"] + box["width"] <= 390


@pytest.mark.slow
def test_the_first_key_leads_to_the_content_and_the_next_ones_through_the_pages(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to content"
    names = []
    for _ in range(6):
        page.keyboard.press("Tab")
        names.append(page.evaluate("() => document.activeElement.textContent").strip())
    assert names == ["sentinel", "Series", "Alarms", "Sources", "Settings", "Status"]


@pytest.mark.slow
def test_on_paper_it_is_light_though_the_screen_is_dark(page: Page) -> None:
    # Bug: white letters on white paper, and charts on black.
    page.emulate_media(color_scheme="dark")
    page.goto("/series/lake/loaded")
    wait_for_charts(page, 6)
    canvas = page.locator(".uplot canvas").nth(1)
    on_screen = canvas.evaluate(COLOURS_NEAR_WHITE)
    page.emulate_media(color_scheme="dark", media="print")
    page.wait_for_timeout(200)
    assert canvas.evaluate(COLOURS_NEAR_WHITE) > 10 * on_screen
    assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(27, 34, 39)"
    assert not page.locator("nav.main").is_visible()


@pytest.mark.slow
def test_without_a_script_the_tables_say_the_same(browser: Browser, server) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=server.address)
    page = context.new_page()
    page.goto("/")
    page.locator("[name=q]").fill("control")
    page.locator("button", has_text="Show").click()
    assert page.locator("tbody th[scope=row] a").all_inner_texts() == ["lake/control"]
    context.close()
