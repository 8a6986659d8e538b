"""`sentinel drill`: let the daemon that runs make a drill, say which links of the chain held, and which failed.

The exit code is 0 if the alarm of the drill and its end came to every receiver, 1 if a link failed, 75 if
none can be made now.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

from sentinel.domain.drills import DRILL, DrillView, Link
from sentinel.domain.errors import SentinelError, UpstreamError
from sentinel.domain.printing import visible
from sentinel.runtime.control import send

LOOK_SECONDS = 0.25
GRACE_SECONDS = 10.0
"""Seconds beyond the time of a link after which the daemon is said to stand still."""


def main(args: argparse.Namespace) -> int:
    """Ask for a drill, and follow it to its end."""
    said: set[str] = set()
    drill = DrillView()
    for drill in _follow(Path(args.state)):
        for link in drill.links:
            if link.name not in said and (link.why or link.seconds is not None):
                said.add(link.name)
                if not args.json:
                    print(visible(_line(link)), flush=True)
    if drill.skipped and not args.json:
        raise UpstreamError(f"no drill now: {drill.skipped}; ask again when that is done")
    missing = [link for link in drill.links if link.seconds is None and not link.why]
    if args.json:
        print(json.dumps(drill.to_record() | {"worked": drill.worked}, indent=2))
    elif drill.worked:
        print(f"the chain works: its {len(drill.links)} links held, and the alarm of the drill has ended")
    else:
        for link in missing:
            print(visible(f"{link.name}: nothing came to it"))
        broken = (*drill.failed, *missing)
        print(visible(f"the chain is broken at {broken[0].name if broken else 'the journal: the outcome is not kept'}"))
    if drill.skipped:
        return UpstreamError.exit_code
    return 0 if drill.worked else SentinelError.exit_code


def _follow(folder: Path) -> Iterator[DrillView]:
    """Give the drill again and again until it has ended, or until nothing happens any more."""
    drill = _ask(folder, "")
    changed = monotonic()
    while not drill.ended and monotonic() < changed + drill.patience_seconds + GRACE_SECONDS:
        yield drill
        sleep(LOOK_SECONDS)
        before, drill = drill, _ask(folder, drill.id)
        changed = changed if drill == before else monotonic()
    yield drill


def _ask(folder: Path, drill: str) -> DrillView:
    answer = send(folder, {"action": DRILL, "id": drill})
    if answer is None:
        raise UpstreamError(f"{folder}: no daemon runs on this state folder; a drill is made by one that runs")
    return DrillView.from_record(json.loads(answer))


def _line(link: Link) -> str:
    return f"{link.name}: {f'FAILED: {link.why}' if link.why else f'held after {link.seconds:.1f} s'}"
