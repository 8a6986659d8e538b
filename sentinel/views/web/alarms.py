"""The pages of alarms: all that are shown, open ones first, and one with what it claimed and its receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from math import isnan
from shlex import quote
from threading import Lock
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import SentinelError
from sentinel.domain.spans import moment_in_words
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text.receipts import Episode, claim_rows, pair, receipt_rows
from sentinel.views.web import pages
from sentinel.views.web.pictures import name_now

ROWS = 200
"""Alarms per page."""
HALF_LIVES = 10
"""Of the series that are shown before its alarm."""


def list_shown(events: Sequence[Mapping[str, Any]]) -> list[Episode]:
    """List alarms: open ones first, then the newest."""
    found = pair(events)
    found.reverse()
    return sorted(found, key=lambda alarm: alarm.cleared is not None)


class Picture(NamedTuple):
    """The history of the series of an alarm, from ten half-lives before it."""

    name: str
    sentence: str
    from_us: int
    to_us: int


def _picture(snapshot: Snapshot, alarm: Episode) -> Picture | None:
    """Give what the picture of an alarm shows; None where its series has no history or cadence."""
    name, raised_us = name_now(snapshot, alarm.raised), int(alarm.raised["time_us"])
    whole = snapshot.spectrogram(name) if _has_page(snapshot, alarm) else None
    view = snapshot.view(name) if whole is not None else None
    if whole is None or view is None or isnan(view.half_life_ticks):
        return None
    before_us = round(HALF_LIVES * view.half_life_ticks * view.cadence_seconds * MICROSECONDS)
    last_us = int(whole.time_us[-1])
    ended_us = int(alarm.cleared["time_us"]) if alarm.cleared else last_us
    from_us = raised_us - before_us
    to_us = min(max(ended_us, raised_us) + before_us // HALF_LIVES, max(last_us, raised_us))
    sentence = f"From {moment_in_words(from_us)}, ten half-lives before the alarm."
    return Picture(name, sentence, from_us, to_us)


def _has_page(snapshot: Snapshot, alarm: Episode) -> bool:
    """Say whether an alarm is of a series that is shown: not of a site, nor of one that is retired."""
    return "members" not in alarm.raised and name_now(snapshot, alarm.raised) in snapshot.names()


def routes(access: pages.Access) -> list[Route]:
    """Give the routes of the list and of one alarm."""
    room = Lock()  # each explanation reads through the journal

    def show_list(_: Request) -> Response:
        found = list_shown(access.events())
        present = partial(name_now, access.snapshot())
        return pages.render("alarms.html", alarms=found[:ROWS], further=max(0, len(found) - ROWS), name_of=present)

    def find(request: Request) -> Episode:
        alarm = request.path_params["alarm"]
        for one in pair(access.events()):
            if one.raised["alarm_id"] == alarm:
                return one
        raise HTTPException(404, f"There is no alarm {alarm!r} among those shown; sentinel explain knows older ones")

    def show_one(request: Request) -> Response:
        one, snapshot = find(request), access.snapshot()
        name, has_page = name_now(snapshot, one.raised), _has_page(snapshot, one)
        return pages.render(
            "alarm.html", alarm=one, name=name, picture=_picture(snapshot, one), claim=list(claim_rows(one.raised)),
            receipt=list(receipt_rows(one.raised)), state_dir=quote(access.state_dir),
            has_page=has_page, can_explain=access.explain is not None,
            on_hold=has_page and one.cleared is None and snapshot.is_on_hold(name),
        )  # fmt: skip

    def explain(request: Request) -> Response:
        one = find(request)
        if access.explain is None:
            raise HTTPException(404, f"This server cannot explain; use `sentinel explain {one.raised['alarm_id']}`")
        if not room.acquire(blocking=False):
            raise HTTPException(503, "Another alarm is being explained; try again in a moment", {"retry-after": "5"})
        try:
            text, name = access.explain(one.raised["alarm_id"]), name_now(access.snapshot(), one.raised)
            return pages.render("explanation.html", alarm=one, name=name, text=text)
        except SentinelError as error:
            raise HTTPException(503, f"It cannot be explained now: {error}") from error
        finally:
            room.release()

    def give_receipt(request: Request) -> Response:
        one = find(request)
        words = {"claim": dict(claim_rows(one.raised)), "receipt": dict(receipt_rows(one.raised))}
        receipt = {"events": one._asdict(), **words}
        return Response(json.dumps(receipt, indent=2), media_type="application/json")

    return [
        Route("/alarms", show_list), Route("/alarms/{alarm}", show_one), Route("/alarms/{alarm}/explanation", explain),
        Route("/api/v1/alarms/{alarm}", give_receipt),
    ]  # fmt: skip
