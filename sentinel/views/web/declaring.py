"""The routes by which events are declared: maintenance, calibrations, changed sensors, interventions.

Whoever may send observations may declare events. An answer of 2xx means that the event is on disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sentinel.domain.acting import DECLARED, LIFTED
from sentinel.domain.errors import SentinelError, UsageError
from sentinel.views.web.pushing import PushRoutes, Refused, problem, read_body

Ask = Callable[[Mapping[str, Any]], "Future[str]"]
"""Hands a request to the engine."""
ANSWER_SECONDS, LARGEST_BYTES = 30.0, 65_536


def routes(pushing: PushRoutes, ask: Ask) -> list[Route]:
    """Give the routes that declare an event and lift a hold."""

    def do(request: Mapping[str, Any]) -> Response:
        try:
            return JSONResponse({"done": ask(request).result(ANSWER_SECONDS)})
        except UsageError as error:
            return problem(400, str(error), {})
        except (TimeoutError, SentinelError) as error:
            why = str(error) or "no answer in time: the disk may be full"
            return problem(503, f"{why}; send it again later", {"retry-after": "5"})

    async def declare(request: Request) -> Response:
        try:
            pushing.authorise(request)
            event = json.loads(await read_body(request, LARGEST_BYTES))
        except Refused as refused:
            return problem(refused.status, str(refused), refused.headers)
        except (ValueError, RecursionError) as error:
            return problem(400, f'no JSON: {error}; an object such as {{"match": "buoy/*", "length": "2h"}}', {})
        by = request.query_params.get("by", "")
        return await anyio.to_thread.run_sync(do, {"action": DECLARED, "event": event, "by": by})

    async def lift(request: Request) -> Response:
        try:
            pushing.authorise(request)
        except Refused as refused:
            return problem(refused.status, str(refused), refused.headers)
        return await anyio.to_thread.run_sync(do, {"action": LIFTED, "event_id": request.path_params["event"]})

    return [
        Route("/api/v1/events", declare, methods=["POST"]),
        Route("/api/v1/events/{event}", lift, methods=["DELETE"]),
    ]
