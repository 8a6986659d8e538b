"""The observations of one series as a file: every one that the journal still keeps, as it came.

They are read while they are sent, batch by batch: nothing is gathered but for Parquet, whose index comes last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from threading import BoundedSemaphore

import polars as pl
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sentinel.domain.observation import INSTANT

Observations = Callable[[str], AbstractContextManager[Iterator[pl.DataFrame]]]
"""Opens the observations of the series of that name: tables of `Journal.observations`."""
MOST_AT_ONCE = 2
"""Downloads; each reads through the journal."""
TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def routes(observations: Observations, find: Callable[[Request], str]) -> list[Route]:
    """Give the route of downloads: `/download/NAME?format=csv` or `parquet`; `find` names the series that is meant."""
    room = BoundedSemaphore(MOST_AT_ONCE)

    def download(request: Request) -> Response:
        name, form = find(request), request.query_params.get("format", "csv")
        if form not in TYPES:
            raise HTTPException(400, f"format: {form!r}; csv or parquet is allowed")
        if not room.acquire(blocking=False):
            raise HTTPException(503, "Other downloads are under way; try again in a minute", {"retry-after": "60"})
        file = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "series"
        headers = {"content-disposition": f'attachment; filename="{file}.{form}"', "cache-control": "no-store"}
        body = _csv(observations, name) if form == "csv" else _parquet(observations, name)
        return StreamingResponse(_and_then(body, room.release), media_type=TYPES[form], headers=headers)

    return [Route("/download/{name:path}", download)]


def _and_then(body: Iterator[bytes], end: Callable[[], None]) -> Iterator[bytes]:
    try:
        yield from body
    finally:
        end()


def _csv(observations: Observations, name: str) -> Iterator[bytes]:
    with observations(name) as tables:
        for number, table in enumerate(tables):
            yield table.write_csv(include_header=number == 0, datetime_format=INSTANT).encode()


def _parquet(observations: Observations, name: str) -> Iterator[bytes]:
    file = BytesIO()
    with observations(name) as tables:
        pl.concat(tables).write_parquet(file)
    yield file.getvalue()
