"""`sentinel explain`: what an alarm claimed, against which own past, what else looks like it, and its receipt.

Reads the state folder of a daemon, whether it runs or not. What was sent stands in the event that was kept; since when
evidence gathered and both sides are computed anew from the journal, as far as it reaches back. Of a backtest it reads
the folder that was written: the events, and the readings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic

from sentinel.analysis.explaining import READINGS_FILE, explain, explain_receipt, read_alarms
from sentinel.config import fingerprint, from_record, parse_moment
from sentinel.domain.errors import StateError, UsageError
from sentinel.domain.printing import visible
from sentinel.domain.spans import moment_in_words
from sentinel.journal import Journal, KeptEvent
from sentinel.runtime.retrace import OutOfTimeError, Trace, retrace
from sentinel.text.explanations import Explanation, alarm_as_json, explanation_as_json, explanation_in_words
from sentinel.text.receipts import Episode, Event, pair

SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Known:
    """An alarm of a state folder, or of the folder of a backtest."""

    alarm: Episode
    kept: KeptEvent
    """The event that raised it, as it was kept."""
    renamed: Sequence[str] = ()
    """All names that its series had if it was renamed, the present one last."""

    @property
    def raised(self) -> Event:
        """The event that raised it."""
        return self.alarm.raised

    @property
    def is_open(self) -> bool:
        """True if it has not ended."""
        return self.alarm.cleared is None

    def is_of(self, series: str) -> bool:
        """Tell whether it is of the series that has, or had, this name."""
        return series == self.raised["series"] or series in self.renamed


def main(args: argparse.Namespace) -> int:
    """Explain one alarm, or list all that are known."""
    if args.backtest is not None:
        return _explain_backtest(args, Path(args.backtest))
    folder, as_of_us = Path(args.state), None if args.as_of is None else _read_as_of(args.as_of)
    with Journal.open(folder, read_only=True) as journal:
        alarms = known_alarms(journal, as_of_us)
        if args.alarm is None:
            return _list(alarms, folder, as_json=args.json)
        chosen = choose(alarms, args.alarm, folder)
        again = _compute_again(journal, chosen)
    if args.json:
        _print_json(again.as_json(chosen.alarm))
    else:
        print("\n".join(map(visible, again.in_words(chosen, folder))))
    return 0


def explanation(folder: Path, alarm: str, seconds: float = 20.0) -> str:
    """Explain an alarm for a page of the daemon, which has so much time for it in all. UsageError: it is not known."""
    until = monotonic() + seconds
    with Journal.open(folder, read_only=True) as journal:
        chosen = choose(known_alarms(journal, of=alarm), alarm, folder)
        return "\n".join(_compute_again(journal, chosen, until - monotonic()).in_words(chosen, folder))


@dataclass(frozen=True, slots=True)
class _Again:
    """An alarm computed anew from the journal, or why it cannot be done."""

    trace: Trace | None
    missing: str
    settings_now: str
    """Fingerprint of the settings in force; empty where none are known."""

    @property
    def conditioned(self) -> bool:
        """True unless the plan of the series takes its values as residuals already."""
        return self.trace is None or self.trace.plan is None or self.trace.plan.conditioning

    def found(self) -> Explanation | None:
        """Explain the ticks of the replay; None where there are none, as for a site."""
        trace = self.trace
        if trace is None or trace.plan is None or trace.ticks is None or not trace.ticks.end_us.size:
            return None
        ticks, plan = trace.ticks, trace.plan
        return explain(
            ticks.end_us, ticks.gap, ticks.value, ticks.residual, ticks.evidence, ticks.estimates, plan.half_life,
            plan.cadence_us, plan.seasons,
        )  # fmt: skip

    def in_words(self, known: Known, folder: Path) -> Iterator[str]:
        """Yield the lines of an explanation."""
        found, name = self.found(), known.renamed[-1] if known.renamed else ""
        rows = _replayed(known.raised, self.trace, found, self.missing, folder)
        yield from explanation_in_words(
            known.alarm, found, rows, conditioned=self.conditioned, name_now=name, settings_now=self.settings_now
        )

    def as_json(self, alarm: Episode) -> dict[str, object]:
        """Give an explanation for programs."""
        trace = self.trace
        replay = None if trace is None else {
            "from_batch": trace.from_batch, "batches": trace.batches, "differences": trace.differences(alarm.raised),
        }  # fmt: skip
        told = explanation_as_json(alarm, self.found(), trace.digest if trace else "", conditioned=self.conditioned)
        return told | {"replay": replay, "missing": self.missing or None}


def _compute_again(journal: Journal, chosen: Known, seconds: float = inf) -> _Again:
    trace, missing, recorded = None, "", journal.settings()
    try:
        trace = retrace(journal, chosen.kept, seconds)
    except (StateError, OutOfTimeError) as error:  # what was kept is explained all the same
        missing = str(error)
    now = fingerprint(from_record(recorded["settings"], lambda _line: None)) if recorded else ""
    return _Again(trace, missing, now)


def _explain_backtest(args: argparse.Namespace, folder: Path) -> int:
    if args.as_of is not None:
        raise UsageError("--as-of: of a backtest all is known from the beginning; leave it out, or name a state folder")
    alarms = [Known(alarm, KeptEvent(at, None, dict(alarm.raised))) for at, alarm in enumerate(read_alarms(folder))]
    if args.alarm is None:
        return _list(alarms, folder, as_json=args.json)
    alarm = choose(alarms, args.alarm, folder, "--backtest").alarm
    found, missing = explain_receipt(folder, alarm.raised)
    conditioned = alarm.raised.get("conditioned", True)
    if args.json:
        told = explanation_as_json(alarm, found, "", conditioned=conditioned)
        _print_json(told | {"replay": None, "missing": missing or None})
        return 0
    row = ("made of", f"{folder / READINGS_FILE}, whose evidence is that of the rule that has most")
    if found is None:
        row = ("not known", f"since when it gathered, both sides: {missing}")
    print("\n".join(map(visible, explanation_in_words(alarm, found, [row], conditioned=conditioned))))
    return 0


def _read_as_of(text: str) -> int:
    try:
        return parse_moment(text)
    except ValueError:
        raise UsageError(f"--as-of {text}: an ISO 8601 moment is allowed, such as 2026-07-25T12:00") from None


def known_alarms(journal: Journal, as_of_us: int | None = None, of: str = "") -> list[Known]:
    """Give every alarm, or the one of an id, in the order in which they were raised, as known at a moment of the
    daemon's clock."""
    known = []
    for event in journal.events(alarm=of):
        arrived = event.arrival_us if event.arrival_us is not None else event.body.get("time_us") or 0
        if as_of_us is None or arrived <= as_of_us:
            known.append(event)
    raised = {event.body["alarm_id"]: event for event in known if event.body["what"] == "raised"}
    renamed = {name: names for names in journal.renamed() for name in names}
    found = []
    for alarm in pair(event.body for event in known):
        is_site = "members" in alarm.raised  # which may be called as a series was
        names = () if is_site else renamed.get(alarm.raised["series"], ())
        found.append(Known(alarm, raised[alarm.raised["alarm_id"]], renamed=names))
    return found


def choose(alarms: Sequence[Known], text: str, folder: Path, option: str = "--state") -> Known:
    """Choose an alarm by its id, by the beginning of its id, or as the last one of a series. UsageError: there is none.

    An open alarm of the series comes before one that has ended.
    """
    by_id = [one for one in alarms if len(text) >= SHORTEST_PREFIX and one.raised["alarm_id"].startswith(text)]
    if len(by_id) == 1:
        return by_id[0]
    if by_id:
        found = ", ".join(one.raised["alarm_id"] for one in by_id)
        raise UsageError(f"alarm {text}: {len(by_id)} begin so ({found}); more letters are needed")
    of_series = [one for one in alarms if one.is_of(text)]
    if of_series:
        return max(of_series, key=lambda one: (one.is_open, one.kept.batch, one.raised.get("time_us") or 0))
    raise UsageError(
        f"alarm {text}: {folder} knows no alarm and no series in alarm of that name"
        f"{near_in_words(text, {one.raised['series'] for one in alarms})}; "
        f"`sentinel explain {option} {folder}` lists them all; of an id it takes {SHORTEST_PREFIX} letters or more"
    )


def near_in_words(text: str, names: Iterable[str]) -> str:
    """Say behind a message which names have this text in them, a few; nothing where none has."""
    near = sorted(name for name in names if text.lower() in name.lower())[:5]
    return f"; {visible(', '.join(near))} {'is' if len(near) == 1 else 'are'} known" if near else ""


def _replayed(
    body: Event, trace: Trace | None, found: Explanation | None, missing: str, folder: Path
) -> Iterator[tuple[str, str]]:
    if trace is None:
        yield "not known", f"since when it gathered, both sides, the state's digest: {missing}"
        return
    differences = trace.differences(body)
    begun = "the journal's beginning" if trace.from_batch == 0 else f"the checkpoint after batch {trace.from_batch}"
    if differences:
        yield "replay", f"from {begun}: DIFFERS: {'; '.join(differences)}"
    else:
        yield "replay", f"from {begun}, {trace.batches:,} batches: the same numbers, bit for bit"
    if trace.digest:
        yield "state digest", f"{trace.digest}, of the series after the alarm's tick"
    if trace.from_batch and found is not None:
        yield "reaches back to", f"{moment_in_words(found.first_us)}; what came before has been forgotten"
    yield "again", f"sentinel replay {body['alarm_id']} --state {folder}"


def _list(alarms: Sequence[Known], folder: Path, *, as_json: bool) -> int:
    if as_json:
        _print_json([alarm_as_json(one.alarm) for one in alarms])
        return 0
    for one in alarms:
        body = one.raised
        line = f"{body['alarm_id']}  {body['severity']:<8}  {one.alarm.standing:<24}  {body['time']}  {body['series']}"
        print(visible(line))
    if not alarms:
        print(visible(f"{folder}: no alarm is known"))
    return 0


def _print_json(told: object) -> None:
    print(json.dumps(told, indent=2, allow_nan=False))
