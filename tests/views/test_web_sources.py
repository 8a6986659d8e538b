"""The table of sources on the status page."""

from __future__ import annotations

import re

import httpx

from sentinel.domain.clock import ManualClock
from sentinel.domain.states import SourceStatus
from sentinel.views.web import Access, WebServer, create_app

SOURCES = [
    SourceStatus("silent"),
    SourceStatus("old", last_success_us=5, up=True, fetches=4, accepted=1_200, late=3, newest_us=-259_200_000_000),
    SourceStatus("gone", last_failure_us=5, fetches=2, failed=2, refused=1),
]


def test_the_table_of_sources_shows_the_facts_of_those_that_have_answered_or_failed(snapshot) -> None:
    access = Access(lambda: snapshot, lambda: SOURCES, tuple, str, lambda _: (b"", ""))
    server = WebServer(create_app(access, ManualClock(snapshot.taken_us)), "127.0.0.1:0")
    server.start()
    try:
        page = httpx.get(server.address, verify=False).text
    finally:
        server.stop()
    table = page.partition("sources-heading")[2].partition("</section>")[0]
    rows = [re.sub(r"<[^>]*>|\s+", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]]
    assert rows == [
        ["gone", "failed", "2", "3", "0", "0", "none", "yet"],
        ["old", "succeeded", "4", "0", "1,200", "3", "1969-12-29"],
    ]
