"""`sentinel series`: list and show series, acknowledge alarms, retire, rename and forget a series.

Looking reads the folder, whether the daemon runs or not. Acting goes to the daemon over its control socket; where none
runs, it is written into the journal.
"""

from __future__ import annotations

import argparse
import getpass
import json
import logging
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from shlex import quote
from typing import Any

from sentinel.commands.explain import Known, choose, known_alarms, near_in_words
from sentinel.config import SLOWER, Settings
from sentinel.domain.acting import Action, events_of
from sentinel.domain.clock import Clock
from sentinel.domain.errors import UsageError
from sentinel.domain.gates import HOLD
from sentinel.domain.labels import fits
from sentinel.domain.printing import visible
from sentinel.domain.states import SeriesView
from sentinel.journal import Journal
from sentinel.pipeline.snapshot import Snapshot
from sentinel.runtime.acting import find_fact
from sentinel.runtime.control import send
from sentinel.runtime.replica import Replica, restore
from sentinel.text.claims import rule_now_in_words
from sentinel.text.events import declared_in_words
from sentinel.text.words import lag1_in_words, recovery_in_words
from sentinel.views.web.pages import series_as_json

EVENTS_SHOWN = 10
"""Declared events of a series that are shown, the latest first."""


def list_main(args: argparse.Namespace) -> int:
    """List all series, the most alarming first, and then those that were retired."""
    snapshot = read_snapshot(Path(args.state))
    views = [view for view in snapshot.views() if args.match is None or fits(view.name, args.match)]
    if args.json:
        print(json.dumps([series_as_json(view) for view in views], indent=2, allow_nan=False))
    else:
        lines = [*_lines(views), *(f"{name}  retired" for name in snapshot.retired() if not args.match)]
        print("\n".join(map(visible, lines)) or f"{args.state}: no series is known")
    return 0


def show_main(args: argparse.Namespace) -> int:
    """Show one series and its alarms."""
    folder = Path(args.state)
    snapshot = read_snapshot(folder)
    try:
        view = snapshot.view(args.series)
    except KeyError:
        if (now := snapshot.present_name(args.series)) != args.series:
            raise UsageError(f"series {args.series}: it was renamed, and is {now} now") from None
        if args.series in snapshot.retired():
            again = f"`sentinel series retire {quote(args.series)} --undo --state {args.state}` takes it back"
            raise UsageError(f"series {args.series}: it is retired; {again}") from None
        hint = near_in_words(args.series, snapshot.names())
        raise UsageError(f"series {args.series}: {folder} knows none of that name{hint}") from None
    if args.json:
        print(json.dumps(series_as_json(view), indent=2, allow_nan=False))
        return 0
    with Journal.open(folder, read_only=True) as journal:
        alarms = [one for one in known_alarms(journal) if one.is_of(view.name)]
    former = [f"called {', '.join(names)} before" for names in [snapshot.former_names(view.name)] if names]
    events = snapshot.declared(view.name)[:EVENTS_SHOWN]
    declared = (f"event {event.id}: {declared_in_words(event)}" for event in events)
    print("\n".join(map(visible, [*_describe(view, alarms), *former, *declared])))
    return 0


def acknowledge_main(args: argparse.Namespace) -> int:
    """Acknowledge an alarm, or all open ones of a series."""
    folder = Path(args.state)
    with Journal.open(folder, read_only=True) as journal:
        alarms = known_alarms(journal)
    chosen = choose(alarms, args.alarm, folder)
    several = [one for one in alarms if chosen.is_of(args.alarm) and one.is_of(args.alarm) and one.is_open]
    for one in several or [chosen]:
        print(_act(folder, {"action": Action.ACKNOWLEDGED, "alarm_id": one.raised["alarm_id"], **_who(args)}))
    return 0


def act_main(args: argparse.Namespace) -> int:
    """Retire a series or take it back, give it another name with all that was learnt, or forget it."""
    request = {"action": args.action, "series": args.series, **_who(args)}
    if args.action == Action.RENAMED:
        request["to"] = args.name
    print(visible(_act(Path(args.state), request)))
    return 0


def declare_main(args: argparse.Namespace) -> int:
    """Hold series, re-base or reset them, or lift a hold."""
    if args.gate == HOLD and args.lift:
        print(visible(_act(Path(args.state), {"action": Action.LIFTED, "event_id": args.series, **_who(args)})))
        return 0
    event = {"match": args.series, "gate": args.gate, "kind": args.kind, "start": args.start, "note": args.note}
    if args.gate == HOLD:
        if args.length is None:
            raise UsageError("hold: nothing says how long; --for 2h is needed, or --lift for one that is declared")
        event["length"] = args.length
    print(visible(_act(Path(args.state), {"action": Action.DECLARED, "event": event, **_who(args)})))
    return 0


def _act(folder: Path, request: dict[str, Any]) -> str:
    """Let the daemon do it; where none runs, write it into the journal. Give a sentence on what was done."""
    done = send(folder, request)
    if done is not None:
        return done
    state = _restore(folder).state
    with Journal.open(folder) as journal:
        now_us = Clock().now_us()
        fact, done = find_fact(request, journal, state, now_us)
        committed = journal.record("operator", fact, now_us)
        events = events_of(committed.payload, committed.batch, committed.arrival_us)
        journal.append_events(events, (), committed.batch)
    return done


def _who(args: argparse.Namespace) -> dict[str, str]:
    return {"by": args.by if args.by is not None else _user(), "note": args.note}


def _restore(folder: Path) -> Replica:
    """Restore the state of a folder, without writing to it."""
    log = logging.getLogger(Replica.__module__)
    was, log.disabled = log.disabled, True  # the daemon said it when it happened; here it would be no news
    try:
        with Journal.open(folder, read_only=True) as journal:
            replica = Replica(Settings())
            restore(journal, replica, lambda _committed, _result: None, lambda: False)
    finally:
        log.disabled = was
    return replica


def read_snapshot(folder: Path) -> Snapshot:
    """Restore the state of a folder, without writing to it, and look at it."""
    replica = _restore(folder)
    return Snapshot(replica.pipeline, replica.state, taken_us=Clock().now_us(), watermarks=replica.watermarks)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without names
        return ""


def _lines(views: Sequence[SeriesView]) -> Iterator[str]:
    width = max((len(view.name) for view in views), default=0)
    for view in views:
        state = view.state.value + (f" ({view.reason.value})" if view.reason.value else "")
        alarms = sum(bool(rule.alarm_id) for rule in view.rules)
        evidence = "-" if isnan(view.evidence) else f"{view.evidence:.2f}"
        lag1 = lag1_in_words(view.estimates)
        raised = f"  {alarms} open alarm{'s' if alarms > 1 else ''}" if alarms else ""
        yield f"{view.name:<{width}}  {state:<20}  lag 1 {lag1:<22}  evidence {evidence}{raised}"


def _describe(view: SeriesView, alarms: Sequence[Known]) -> Iterator[str]:
    yield from _lines([view])
    yield f"source {view.source}; {view.ticks:,} ticks, {view.missing_ticks:,} missing"
    yield f"recovery time {recovery_in_words(view)}"
    for rule in view.rules:
        stands = "not ready" if isnan(rule.evidence) else f"evidence {rule.evidence:.2f}"
        severity = "" if rule.kind == SLOWER else f" ({rule.severity})"  # of slower it is the label
        yield f"rule {rule_now_in_words(rule)}{severity}: {stands}"
    for one in alarms:
        yield f"alarm {one.raised['alarm_id']} of {one.raised['time']}: {one.alarm.standing}"
