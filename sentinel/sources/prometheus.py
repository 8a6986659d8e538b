"""Source `prometheus`: ranges of a Prometheus-compatible server, piece by piece, from the history to now.

A point that the server does not give is missing: a series that ended, or was not scraped, is not zero.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sentinel.config import PrometheusSource
from sentinel.config.secrets import hide_query
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.domain.spans import moment_iso, print_duration
from sentinel.sources.base import AHEAD_US, PullSource, SourceError
from sentinel.sources.labels import METRIC, Names, escape, labeller
from sentinel.sources.needs import say_what_lacks

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.asking import HttpServer
    from sentinel.sources.rows import Rows

MOST_POINTS = 10_000
"""Points of a series in one answer; Prometheus refuses more than 11,000."""
FIRST_POINTS, GROWTH = 100, 4
_SAID = 10
_PARTIAL = re.compile("partial response|no storeapis|rpc error|receive .*from|fetch series|remote_read", re.IGNORECASE)
"""Warnings of Thanos, and of Prometheus that reads from elsewhere, at which points may lack."""
_ASKED_AGAIN = "an answer without a part of the points, for a store behind the server is away; it is asked for again"


class Ranges(PullSource):
    """Asks for what is new of each query."""

    def __init__(self, settings: PrometheusSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.every, settings.id)
        self._settings, self._clock = settings, clock
        self._points = FIRST_POINTS
        self._server: HttpServer | None = None
        self._names = Names(settings.series_name, keep=settings.keep_labels)
        self._labelled = labeller(settings.labels)
        self._owners: dict[str, int] = {}

    def describe(self) -> str:
        """Say what is asked of whom, and how often."""
        settings = self._settings
        queries = settings.queries[0] if len(settings.queries) == 1 else f"{len(settings.queries)} queries"
        since = f", history of {print_duration(settings.since)}" if settings.since else ""
        every, step = print_duration(settings.every), print_duration(settings.step)
        return (
            f"{hide_query(settings.url)}, {' '.join(queries.split())}, a point every {step}, asked every {every}{since}"
        )

    def remarks(self) -> tuple[str, ...]:
        """Say which package or secret is not there."""
        settings = self._settings
        return tuple(say_what_lacks(None, "", password_file=settings.password_file, token_file=settings.token_file))

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Ask for the points since `cursor`; see `PullSource.fetch`."""
        from sentinel.sources.asking import HttpServer, TooMuchError  # here: `sentinel check` does not wait for these
        from sentinel.sources.rows import Rows

        settings, now_us = self._settings, self._clock.now_us()
        self._server = self._server or HttpServer(settings, settings.every, self._clock)
        step, told_us = settings.step, now_us - settings.delay
        end_us = told_us // step * step
        until, newest = self._place(cursor, end_us)
        last_us = min(until + self._points * step, end_us)
        rows = Rows(now_us, "point", settings.prefix, self._labelled)
        if newest > told_us + AHEAD_US:
            known = f"points up to {moment_iso(newest)} are known already, and here it is {moment_iso(now_us)}"
            rows.complaints.append(f"{known}: nothing new is asked for until then; is a clock wrong?")
        if last_us <= until:
            return rows.frame(self.id, {"until_us": until, "newest_us": newest}, told_us)
        remarks: list[str] = []
        try:
            for number, query in enumerate(settings.queries):
                form = {
                    "query": query, "step": f"{step // MICROSECONDS}",
                    "start": f"{(until + step) // MICROSECONDS}", "end": f"{last_us // MICROSECONDS}",
                }  # fmt: skip
                url = settings.url.rstrip("/") + "/api/v1/query_range"
                self._read(self._server.post(url, form).body, number, rows, remarks)
        except TooMuchError:
            self._points = max(1, self._points // 4)
            raise
        asked = (last_us - until) // step
        fitting = settings.max_observations * asked // max(1, len(rows))
        # A stretch without points says nothing about the next one.
        self._points = max(1, min(MOST_POINTS, GROWTH * self._points, fitting))
        rows.complaints[:0] = remarks[:_SAID]
        del rows.complaints[_SAID:]
        place = {"until_us": last_us, "newest_us": max(newest, rows.newest_us or newest)}
        return rows.frame(self.id, place, None if last_us < end_us else told_us)

    def _place(self, cursor: Cursor | None, end_us: int) -> tuple[int, int]:
        """Give the last time that was asked for, and the last one of which something came."""
        step = self._settings.step
        if not cursor:
            first = end_us - max(1, (self._settings.since or 0) // step) * step
            return first, first
        known: Any = cursor
        until, newest = int(known["until_us"]), int(known["newest_us"])
        if until > end_us + step:  # our clock was ahead, and has been put right: what came meanwhile was passed over
            until = min(newest, end_us) // step * step
        return until, newest

    def _read(self, body: bytes, number: int, rows: Rows, remarks: list[str]) -> None:
        from sentinel.domain.observation import Rejection
        from sentinel.sources.rows import microseconds_of

        query = self._settings.queries[number]
        try:
            answer = json.loads(body)
            if answer["status"] != "success" or answer["data"]["resultType"] != "matrix":
                raise DataError(f"{self._settings.url}: {query}: no range of points; a query of one is needed")
            said = [*answer.get("warnings", ()), *answer.get("infos", ())]
            partial = [str(text) for text in answer.get("warnings", ()) if _PARTIAL.search(str(text))]
            if answer.get("isPartial") or partial:
                why = f": {ascii(partial[0])[:200]}" if partial else ""
                raise SourceError(f"{hide_query(self._settings.url)}: {query}: {_ASKED_AGAIN}{why}")
            remarks += [f"{query}: the server says: {ascii(text)[1:-1]}" for text in said]
            for one in answer["data"]["result"]:
                labels = {str(key): str(text) for key, text in one["metric"].items()}
                # What was computed has no name: the query is its name, so that two queries never share a series.
                metric = None if labels.get(METRIC) else escape(" ".join(query.split()))
                name = self._names.name(labels, metric)
                if name is None or self._owners.setdefault(name, number) != number:
                    rows.leave_out(Rejection.FOREIGN, len(rows), f"{query}: {ascii(labels)[:80]}")
                    continue
                for seconds, value in one.get("values", ()):
                    rows.add(name, microseconds_of(seconds, "seconds"), value, len(rows))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise SourceError(
                f"{self._settings.url}: {query}: no answer of Prometheus; a server with its API is needed"
            ) from None
