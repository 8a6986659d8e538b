"""`sentinel explain`: what an alarm claimed, against which own past, what else looks like it, and its receipt.

Reads the state folder of a daemon, whether it runs or not. What was sent stands in the event that was kept; since when
evidence gathered and both sides are computed anew from the journal, as far as it reaches back. Of a backtest it reads
the folder that was written: the events, and the readings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf, isfinite, isnan, log
from pathlib import Path
from textwrap import wrap
from typing import Any

from sentinel.analysis.explaining import Findings, Side, explain
from sentinel.analysis.receipts import READINGS_FILE, explain_receipt, read_receipts
from sentinel.config import fingerprint, from_record
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.errors import StateError, UsageError
from sentinel.domain.printing import visible
from sentinel.domain.spans import duration_in_words, moment_in_words, moment_iso
from sentinel.journal import Journal, KeptEvent
from sentinel.runtime.retrace import Trace, retrace
from sentinel.text.receipts import claim_rows, e_value_of, guarantee, moment, null_hypothesis, receipt_rows, standing
from sentinel.text.words import lag1_in_words

WIDTH, TITLE = 110, 20
SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Known:
    """An alarm of a journal: the event that raised it, and what ended, acknowledged and amended it, where known."""

    raised: KeptEvent
    cleared: KeptEvent | None
    acknowledged: KeptEvent | None = None
    amended: KeptEvent | None = None
    renamed: Sequence[str] = field(default=(), kw_only=True)
    """All names that its series had if it was renamed, the present one last."""

    def is_of(self, series: str) -> bool:
        """Tell whether it is of the series that has, or had, this name."""
        return series == self.raised.body["series"] or series in self.renamed

    @property
    def standing(self) -> str:
        """Say whether it is open, and who has seen it; or when it ended."""
        others = (self.cleared, self.acknowledged, self.amended)
        return standing(self.raised.body, *(None if one is None else one.body for one in others))


def main(args: argparse.Namespace) -> int:
    """Explain one alarm, or list all that are known."""
    if args.backtest is not None:
        return _explain_backtest(args, Path(args.backtest))
    folder, as_of_us = Path(args.state), None if args.as_of is None else parse_moment(args.as_of)
    with Journal.open(folder, read_only=True) as journal:
        alarms = known_alarms(journal, as_of_us)
        if args.alarm is None:
            print(_list_as_json(alarms) if args.json else "\n".join(map(visible, _list_in_words(alarms, folder))))
            return 0
        chosen = choose(alarms, args.alarm, folder)
        trace, missing, now = _again(journal, chosen)
    findings = find(trace)
    if args.json:
        print(json.dumps(as_json(chosen, trace, findings, missing), indent=2, allow_nan=False))
    else:
        print("\n".join(map(visible, in_words(chosen, trace, findings, missing, folder, now))))
    return 0


def explanation(folder: Path, alarm: str, seconds: float = 20.0) -> str:
    """Explain an alarm for a page of the daemon, which has so much time for it. UsageError: it is not known."""
    with Journal.open(folder, read_only=True) as journal:
        chosen = choose(known_alarms(journal), alarm, folder)
        trace, missing, now = _again(journal, chosen, seconds)
    return "\n".join(in_words(chosen, trace, find(trace), missing, folder, now))


def _again(journal: Journal, chosen: Known, seconds: float = inf) -> tuple[Trace | None, str, str]:
    """Compute an alarm anew; give that or why it cannot be done, and the fingerprint of the settings in force."""
    trace, missing, recorded = None, "", journal.settings()
    try:
        trace = retrace(journal, chosen.raised, seconds)
    except StateError as error:  # what was kept is explained all the same
        missing = str(error)
    return trace, missing, fingerprint(from_record(recorded["settings"], lambda _line: None)) if recorded else ""


def _explain_backtest(args: argparse.Namespace, folder: Path) -> int:
    """Explain one alarm of a backtest, or list all."""
    if args.as_of is not None:
        raise UsageError("--as-of: of a backtest all is known from the beginning; leave it out, or name a state folder")
    alarms = [
        Known(KeptEvent(at, None, dict(one.raised)), KeptEvent(at, None, dict(one.cleared)) if one.cleared else None)
        for at, one in enumerate(read_receipts(folder))
    ]
    if args.alarm is None:
        print(_list_as_json(alarms) if args.json else "\n".join(map(visible, _list_in_words(alarms, folder))))
        return 0
    chosen = choose(alarms, args.alarm, folder, "--backtest")
    findings, missing = explain_receipt(folder, chosen.raised.body)
    if args.json:
        print(json.dumps(as_json(chosen, None, findings, missing), indent=2, allow_nan=False))
        return 0
    made = [("made of", f"{folder / READINGS_FILE}, whose evidence is that of the rule that has most")]
    again = made if findings is not None else [("not known", f"since when it gathered, both sides: {missing}")]
    print("\n".join(map(visible, in_words(chosen, None, findings, missing, folder, "", again))))
    return 0


def parse_moment(text: str) -> int:
    """Read an ISO 8601 moment, UTC where no offset is given, as microseconds. UsageError says what is allowed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of {text}: an ISO 8601 moment is allowed, such as 2026-07-25T12:00") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * MICROSECONDS)


def known_alarms(journal: Journal, as_of_us: int | None = None) -> list[Known]:
    """Give every alarm in the order in which they were raised, as it was known at a moment of the daemon's clock."""
    found: dict[str, dict[str, KeptEvent]] = {"raised": {}, "cleared": {}, "acknowledged": {}, "amended": {}}
    for kept in journal.events():
        arrived = kept.arrival_us if kept.arrival_us is not None else kept.body.get("time_us") or 0
        if as_of_us is None or arrived <= as_of_us:
            found[kept.body["what"]][kept.body["alarm_id"]] = kept
            if kept.body["what"] == "raised":  # perhaps once more, by values that were corrected since
                found["cleared"].pop(kept.body["alarm_id"], None)
    raised, *others = found.values()
    known = [Known(event, *(one.get(alarm) for one in others)) for alarm, event in raised.items()]
    renamed = {name: names for names in journal.renamed() for name in names}
    return [  # a site, which has members, may be called as a series was
        one if "members" in one.raised.body else replace(one, renamed=renamed.get(one.raised.body["series"], ()))
        for one in known
    ]


def choose(alarms: Sequence[Known], text: str, folder: Path, option: str = "--state") -> Known:
    """Choose an alarm by its id, by the beginning of its id, or as the last one of a series. UsageError: there is none.

    An open alarm of the series comes before one that has ended.
    """
    by_id = [one for one in alarms if len(text) >= SHORTEST_PREFIX and one.raised.body["alarm_id"].startswith(text)]
    if len(by_id) == 1:
        return by_id[0]
    if by_id:
        found = ", ".join(one.raised.body["alarm_id"] for one in by_id)
        raise UsageError(f"alarm {text}: {len(by_id)} begin so ({found}); more letters are needed")
    of_series = [one for one in alarms if one.is_of(text)]
    if of_series:
        return max(
            of_series, key=lambda one: (one.cleared is None, one.raised.batch, one.raised.body.get("time_us") or 0)
        )
    raise UsageError(
        f"alarm {text}: {folder} knows no alarm and no series in alarm of that name; "
        f"`sentinel explain {option} {folder}` lists them all; of an id it takes {SHORTEST_PREFIX} letters or more"
    )


def find(trace: Trace | None) -> Findings | None:
    """Explain the ticks of a replay; None where there are none, as for a site."""
    if trace is None or trace.plan is None or trace.ticks is None or not trace.ticks.end_us.size:
        return None
    ticks, plan = trace.ticks, trace.plan
    return explain(
        ticks.end_us, ticks.gap, ticks.value, ticks.residual, ticks.evidence, ticks.estimates, plan.half_life,
        plan.cadence_us, plan.seasons,
    )  # fmt: skip


def in_words(
    known: Known, trace: Trace | None, findings: Findings | None, missing: str, folder: Path, settings_now: str,
    again: Sequence[tuple[str, str]] | None = None,
) -> Iterator[str]:  # fmt: skip
    """Yield the lines of an explanation; `again` ends the receipt in place of what a replay gave."""
    body = known.raised.body
    now = f", now {known.renamed[-1]}" if known.renamed and known.renamed[-1] != body["series"] else ""
    yield f"alarm {body['alarm_id']} of {body['series']}{now}: {known.standing}"
    yield from wrap(body["text"], WIDTH)
    yield from _section("what was claimed", claim_rows(body))
    if findings is not None:
        yield from _section("how it came", _course(body, findings))
        yield from _sides(findings, body.get("cadence_seconds") or 0.0)
        found = [
            (each.name, {True: "yes: ", False: "no: ", None: ""}[each.found] + each.text)
            for each in findings.lookalikes
        ]
        yield from _section("what else could look like this (a look back, without a budget)", found)
    conditioned = body.get("conditioned", True) and (trace is None or trace.plan is None or trace.plan.conditioning)
    rows = list(receipt_rows(body, conditioned=conditioned))
    if settings_now and body.get("settings"):
        now = "in force now too" if body["settings"] == settings_now else f"since changed: {settings_now} now"
        rows = [(title, f"{words} ({now})" if title == "settings" else words) for title, words in rows]
    yield from _section(
        "receipt", [*rows, *(_replayed(body, trace, findings, missing, folder) if again is None else again)]
    )


def _course(body: dict[str, Any], found: Findings) -> Iterator[tuple[str, str]]:
    yield (
        "gathered since",
        f"{moment(body, found.gathered_us)}, when evidence was last at or below 1/100 of the alarm line: "
        f"{found.gathered_ticks:,} ticks",
    )
    gaps = f"; started anew after {found.gaps} gap{'s' if found.gaps > 1 else ''}" if found.gaps else ""
    yield (
        "inputs",
        f"{moment(body, found.first_us)} to {moment(body, found.last_us)}: {found.ticks:,} ticks, "
        f"{found.values:,} with a value{gaps}",
    )


def _sides(found: Findings, cadence: float) -> Iterator[str]:
    """Yield a table of both sides."""
    sides = [side for side in (found.before, found.since) if side is not None]
    titles = ["before", "since"] if len(sides) == 2 else ["since"]
    rows = [
        ("from", [moment_in_words(side.first_us) for side in sides]),
        ("to", [moment_in_words(side.last_us) for side in sides]),
        ("values", [f"{side.values:,} of {side.ticks:,}" for side in sides]),
        ("mean", [_number(side.mean) for side in sides]),
        ("standard dev.", [_number(side.deviation) for side in sides]),
        ("lag 1 at the end", [lag1_in_words(side.estimates) for side in sides]),
        ("recovery time", [_recovery(side, cadence) for side in sides]),
    ]
    yield ""
    yield f"{'both sides':<{TITLE + 2}}" + "".join(f"{title:<28}" for title in titles).rstrip()
    for title, cells in rows:
        yield f"  {title:<{TITLE}}" + "".join(f"{cell:<28}" for cell in cells).rstrip()


def _recovery(side: Side, cadence: float) -> str:
    lag1 = side.estimates.lag1
    return duration_in_words(-cadence / log(lag1)) if 0.0 < lag1 < 1.0 and cadence else "-"


def _number(number: float) -> str:
    return "-" if isnan(number) else f"{number:.4g}"


def _replayed(
    body: dict[str, Any], trace: Trace | None, findings: Findings | None, missing: str, folder: Path
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
    if trace.from_batch and findings is not None:
        yield "reaches back to", f"{moment_in_words(findings.first_us)}; what came before has been forgotten"
    yield "again", f"sentinel replay {body['alarm_id']} --state {folder}"


def _section(title: str, rows: Sequence[tuple[str, str]] | Iterator[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield title
    for name, words in rows:
        lines = wrap(words, WIDTH - TITLE - 2) or [""]
        yield f"  {name:<{TITLE}}{lines[0]}"
        yield from (f"  {'':<{TITLE}}{line}" for line in lines[1:])


def _list_in_words(alarms: Sequence[Known], folder: Path) -> Iterator[str]:
    if not alarms:
        yield f"{folder}: no alarm is known"
    for one in alarms:
        body = one.raised.body
        yield f"{body['alarm_id']}  {body['severity']:<8}  {one.standing:<24}  {body['time']}  {body['series']}"


def _list_as_json(alarms: Sequence[Known]) -> str:
    return json.dumps([_known_as_json(one) for one in alarms], indent=2, allow_nan=False)


def _known_as_json(one: Known) -> dict[str, object]:
    cleared = None if one.cleared is None else one.cleared.body["time"]
    return {
        "alarm": one.raised.body["alarm_id"],
        "open": one.cleared is None,
        "cleared": cleared,
        "event": one.raised.body,
    }


def as_json(known: Known, trace: Trace | None, findings: Findings | None, missing: str) -> dict[str, object]:
    """Give an explanation for programs; null is not known."""
    body = known.raised.body
    conditioned = body.get("conditioned", True) and (trace is None or trace.plan is None or trace.plan.conditioning)
    kind, why = guarantee(body, conditioned=conditioned)
    receipt: dict[str, object] = {
        "null_hypothesis": null_hypothesis(body), "guarantee": kind, "why": why, "alpha": body["alpha"],
        "e_value": e_value_of(body), "settings": body.get("settings"), "digest": (trace and trace.digest) or None,
        "inputs": None if findings is None else {
            "first": moment_iso(findings.first_us), "last": moment_iso(findings.last_us),
            "ticks": findings.ticks, "values": findings.values, "gaps": findings.gaps,
        },
    }  # fmt: skip
    replay = None if trace is None else {
        "from_batch": trace.from_batch, "batches": trace.batches, "differences": trace.differences(body),
    }  # fmt: skip
    course = None if findings is None else {
        "gathered_since": moment_iso(findings.gathered_us), "gathered_ticks": findings.gathered_ticks,
        "before": findings.before and _side_as_json(findings.before), "since": _side_as_json(findings.since),
        "lookalikes": [each._asdict() for each in findings.lookalikes],
    }  # fmt: skip
    return _known_as_json(known) | {"receipt": receipt, "course": course, "replay": replay, "missing": missing or None}


def _side_as_json(side: Side) -> dict[str, object]:
    numbers = side._asdict() | side.estimates._asdict()
    first, last = moment_iso(numbers.pop("first_us")), moment_iso(numbers.pop("last_us"))
    del numbers["estimates"]
    plain = {name: None if isinstance(n, float) and not isfinite(n) else n for name, n in numbers.items()}
    return {"first": first, "last": last, **plain}
