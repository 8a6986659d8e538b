"""The page of the fleet: searched, sorted and paged by the server; what stands in a row."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from math import nan

import pytest

from sentinel.domain.states import Reason, SourceStatus, State
from sentinel.pipeline.history import History
from tests.views.reading import rows_of, words_of


def many(daemon, count: int = 250) -> list[str]:
    one = daemon.snapshot.view("lake/new")
    series = {f"s{i:04}": replace(one, name=f"s{i:04}") for i in range(count)}
    daemon.snapshot = replace(daemon.snapshot, series=series, history=History(0))
    return list(series)


@pytest.mark.slow
def test_many_series_are_shown_page_by_page(client, daemon) -> None:
    names = many(daemon)
    shown = [rows_of(client.get(f"/?first={first}").text) for first in (0, 100, 200, 300)]
    assert [len(found) for found in shown] == [100, 100, 50, 0]
    assert [name for found in shown for name in found] == names


def test_a_reader_searches_and_sorts_and_turns_the_page_without_losing_what_was_asked(client, daemon) -> None:
    many(daemon)
    page, shown = client.get("/?q=S00&state=learning&order=name"), []
    while True:
        shown += rows_of(page.text)
        further = re.search(r'rel="next" href="([^"]+)"', page.text)
        if further is None:
            break
        page = client.get(unescape(further[1]))
    assert shown == [f"s{i:04}" for i in range(100)], "the other 150 have no s00 in their names"
    assert "No series is so." in words_of(client.get("/?q=S00&state=blind").text)
    assert rows_of(client.get("/?source=nowhere").text) == []


def test_the_slowest_to_recover_come_first_where_that_is_asked(client) -> None:
    assert rows_of(client.get("/?order=recovery").text)[:3] == ["grid/frequency", "river", "lake/loaded"]
    assert rows_of(client.get("/?order=oldest").text)[0].startswith("<script>")


def test_what_a_series_waits_for_is_said_once_in_its_row(client, daemon) -> None:
    view = daemon.snapshot.view("lake/control")
    rules = tuple(replace(rule, baseline_left=51, evidence=nan) for rule in view.rules)
    view = replace(view, state=State.LEARNING, reason=Reason.BASELINE, rules=rules)
    daemon.snapshot = replace(daemon.snapshot, series={**daemon.snapshot.series, "lake/control": view})
    row = next(row for row in client.get("/").text.split("<tr>") if 'href="/series/lake/control"' in row)
    assert row.count("51 more pairs needed") == 1


@pytest.mark.parametrize("query", ["order=size", "state=happy", "first=-1"])
def test_an_unknown_order_or_state_is_refused_with_what_is_allowed(client, query: str) -> None:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert "allowed" in answer.text


def test_a_row_has_a_small_line_of_its_values_and_of_its_lag1_where_a_history_is_kept(client) -> None:
    rows = {words_of(row).split()[0]: row for row in client.get("/").text.split("<tr>") if 'scope="row"' in row}
    assert len(re.findall(r'class="spark [a-z0-9]+".*?<path d="M\d', rows["lake/loaded"])) == 2
    assert 'class="spark' not in rows["reactor"]


def test_series_beyond_those_whose_history_is_kept_are_said_to_have_no_small_line(client, daemon) -> None:
    assert "web.history_series" not in words_of(client.get("/").text)
    many(daemon, 1_003)
    text = words_of(client.get("/").text)
    assert "of the first 1,000 series that came" in text
    assert "3 have none" in text


def test_a_receiver_that_fails_is_named_with_its_reason(client, daemon) -> None:
    assert "Receivers that fail none" in words_of(client.get("/status").text)
    daemon.failures = {"pager": "answered <503>; it is tried again", "mail": "no answer in time"}
    try:
        text = words_of(client.get("/status").text)
    finally:
        daemon.failures = {}
    assert "Receivers that fail pager: answered &lt;503&gt;; it is tried again; mail: no answer in time" in text


def test_a_source_that_catches_up_is_named_on_the_pages_and_in_health(client, daemon) -> None:
    daemon.sources = [SourceStatus("old", last_success_us=5, up=True, catching_up=True)]
    for path in ("/", "/status", "/sources"):
        assert re.search(r"[Cc]atching up", words_of(client.get(path).text)), path
    assert client.get("/-/ready").text.endswith("source old is catching up\n")
    daemon.sources = [SourceStatus("old", last_success_us=5, up=True)]
    assert "atching up" not in words_of(client.get("/").text)
    assert client.get("/-/ready").text == "sentinel is ready.\n"
