"""Rules, evidence and alarms in words, and as the JSON of receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from math import ceil, exp, floor, isnan, log, log10, nan

from sentinel.config import RISE, SLOWER
from sentinel.domain import events as by
from sentinel.domain.channels import CLAIMS, Estimates, hides_recovery
from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.labels import read_key
from sentinel.domain.printing import for_json
from sentinel.domain.spans import (
    DAY,
    NEVER_US,
    duration_in_words,
    moment_in_words,
    moment_iso,
    number_in_words,
    threshold_label,
)
from sentinel.domain.states import Reason, RuleView, SeriesView, SiteView, State
from sentinel.text import words

FLOOR = -6.0
"""Lowest evidence that is shown, as log10."""
_ENDED = {
    by.WITHDRAWN: "is withdrawn: with values that were corrected since it is not raised. The series has not recovered",
    by.CORRECTED: "has ended: with values that were corrected since it was over before",
    "reset": "has ended with a declared reset, not by itself; the series begins anew",
    "rebase": "has ended with a declared rebase, not by itself; level and evidence begin anew",
    by.GAP: "has ended after a gap, not by itself: {gap}; evidence is gathered anew",
    by.NEW_LEVEL: "has ended by a new level, not by itself; level and evidence begin anew",
    by.COUNTERPART_LOST: "has ended, not by itself: its counterpart was lost; judged alone, evidence begins anew",
    by.COUNTERPART_BACK: "has ended, not by itself: its counterpart came back; evidence begins anew",
    by.SETTINGS: "has ended with a change of settings, not by itself",
    by.RETIRED: "has ended as the series was retired, not by itself; it is not judged any more",
    by.FORGOTTEN: "has ended as the series was forgotten, not by itself; its next value begins a new series",
    by.BEGUN_ANEW: "has ended, not by itself: the series begins anew",
}
"""Sentence about an end that is no recovery, by its cause."""
_RECOVERY = ("recovery_seconds", "recovery_low_seconds", "recovery_high_seconds")
_DERIVED = ("e_value", "cadence_seconds", *_RECOVERY)
_ALARM_KEYS = [key for key in AlarmEvent._fields if key not in ("time_us", "cadence_us", "estimates")]


def rule_now_in_words(rule: RuleView) -> str:
    """Name a rule with the number that a relative one has found: `lag-1 above its own past (now 0.62)`."""
    now = f" (now {threshold_label(round(rule.threshold, 2))})" if rule.relative and not isnan(rule.threshold) else ""
    return words.rule_in_words(rule.kind, rule.label) + now


def rule_briefly(rule: RuleView) -> str:
    """Name a rule where there is little room: `0.8`, `modulus 0.9`, `weighted`."""
    return rule.label if rule.kind == "lag1" else rule.kind if rule.kind == "weighted" else f"{rule.kind} {rule.label}"


def baseline_in_words(rule: RuleView) -> str:
    """Say what a rule's baseline period waits for, or that its halves disagree; empty where all is well."""
    if rule.baseline_left > 0:
        return f"baseline period not full: {_count(rule.baseline_left, 'more pair')} needed"
    return "the two halves of its baseline period disagree" if rule.baseline_disagrees else ""


def value_in_words(view: SeriesView) -> str:
    """Write the value of the last tick in its unit; `missing`."""
    return "missing" if isnan(view.value) else f"{view.value:.6g} {view.unit}".rstrip()


def remarks_in_words(rule: RuleView) -> str:
    """Say why an open alarm may not be slowing; empty for a plain one."""
    return " ".join(words.REMARKS[name] for name in rule.remarks)


def evidence_share(rule: RuleView) -> float:
    """Give how far evidence has come towards its alarm line, in [0, 1]; NaN while not ready.

    0 is log10(alpha), where the e-detector stands after one tick that says nothing; 1 is the alarm line.
    """
    if isnan(rule.evidence):
        return rule.evidence
    start = max(log10(rule.alpha), FLOOR) if rule.alpha > 0 else FLOOR
    return min(1.0, max(0.0, 1.0 - rule.evidence / start)) if start < 0 else 1.0


def evidence_in_words(rule: RuleView) -> str:
    """Say how far evidence is from its alarm line: `past the alarm line`, `88 % of an alarm`, `1/40 of an alarm`."""
    if isnan(rule.evidence):
        return "not ready"
    if rule.held:
        return "held: so from its start"
    if rule.evidence >= 0:
        return "past the alarm line"
    if rule.evidence <= FLOOR:
        return "none"
    share = 10.0**rule.evidence
    return (f"{floor(100.0 * share)} %" if share > 0.5 else f"1/{ceil(1.0 / share):,}") + " of an alarm"


def rule_budget_in_words(kind: str, alpha: float, *, short: bool = False) -> str:
    """Write the budget of a rule of this kind; alpha, the number of the theorem, only where there is one."""
    if kind == RISE:
        return "calibrated, no budget"
    if kind == SLOWER:
        return f"1 false alarm in {number_in_words(1 / alpha)} ticks" if alpha > 0 else "no false alarm"
    return f"alpha {words.alpha_in_words(alpha)}" if short else words.budget_in_words(alpha)


def evidence_against_budget(evidence: float, alpha: float) -> str:
    """Write evidence, log10 of its share, beside the number that is an alarm: `7.9 of 10,000`; empty: not ready."""
    if isnan(evidence) or alpha <= 0:
        return ""
    number = "0" if evidence <= FLOOR else number_in_words(10 ** min(evidence - log10(alpha), 300.0))
    return f"{number} of {number_in_words(1 / alpha)}"


def leading_rule(view: SeriesView) -> RuleView | None:
    """Give the rule to show first: an open alarm before others, what is held last, then the one with most evidence."""
    ready = [rule for rule in view.rules if not isnan(rule.evidence)]
    chosen = max(ready, key=lambda rule: (bool(rule.alarm_id), not rule.held, rule.evidence), default=None)
    return chosen or next(iter(view.rules), None)


def reason_in_words(view: SeriesView) -> str:
    """Say why a series is blind or learning, or which rules alarm or are held; empty while it is quiet."""
    if view.state is State.LEARNING:
        return _learning_in_words(view)
    reason = "; ".join(filter(None, (words.REASONS[view.reason], held_in_words(view))))
    open_rules = [rule for rule in view.rules if rule.alarm_id]
    first_us = min((rule.since_us for rule in open_rules), default=NEVER_US)
    since = moment_in_words(first_us, view.cadence_seconds * MICROSECONDS)
    if view.state in (State.WARNING, State.CRITICAL) and open_rules:
        claims = _join_claims(words.rule_in_words(rule.kind, rule.label) for rule in open_rules)
        return f"{claims} since {since}{f'; {reason}' if reason else ''}"
    return f"{reason}; the alarm since {since} is open" if view.state is State.BLIND and open_rules else reason


def left_out_in_words(count: int, known: Sequence[tuple[float, int]]) -> str:
    """Say which values were taken as missing though nobody declared them: `12 values left out: -999 lies far ...`.

    `known` are values with how often each was left out; the state of an older version has none.
    """
    if not count:
        return ""
    values = f"{_count(count, 'value')} left out"
    if not known:
        return f"{values}: far from all others"
    alone = known[0][1] == count
    named = [f"{value:g}" if alone else f"{value:g} ({_count(times, 'time')})" for value, times in known]
    names = " and ".join([*named, *(["others"] if sum(times for _, times in known) < count else [])])
    verb = "lies" if alone else "lie"
    return f"{values}: {names} {verb} far from all others, as a mark of a missing value does (key missing)"


def held_in_words(view: SeriesView) -> str:
    """Say which rules are held, and why: `held, lag-1 above 0.8: slow for its cadence: ...`; empty if none is."""
    claims = _join_claims(words.rule_in_words(rule.kind, rule.label) for rule in view.rules if rule.held)
    return f"held, {claims}: {words.HELD}" if claims else ""


def _join_claims(claims: Iterable[str]) -> str:
    """Put several claims into one phrase, what they share said once: `lag-1 above 0.7, 0.9 and its own past`."""
    limits: dict[str, list[str]] = {}
    for claim in dict.fromkeys(claims):
        side = " below " if " below " in claim else " above "
        what, _, limit = claim.partition(side) if " with " not in claim else (claim, "", "")
        limits.setdefault(f"{what}{side}" if limit else what, []).append(limit)
    parts = [what + " and ".join(filter(None, [", ".join(many[:-1]), many[-1]])) for what, many in limits.items()]
    return " and ".join(parts)


def _learning_in_words(view: SeriesView) -> str:
    """Say how much a series still needs: ticks of warm-up, or pairs of the baseline period of its rules."""
    reason = words.REASONS[view.reason]
    if view.reason is Reason.BASELINE:
        # The rule that is ready first ends the learning.
        return next((baseline_in_words(rule) for rule in view.rules if rule.baseline_left > 0), reason)
    if view.reason is Reason.CADENCE or view.warm_up_left <= 0:
        return reason
    left = max(view.warm_up_left, min((rule.baseline_left for rule in view.rules), default=0))
    ticks = f"{_count(left, 'more tick')} needed"
    return f"{reason}: {ticks}" if view.reason is Reason.GAP else ticks


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' if number != 1 else ''}"


def windows_in_words(views: Sequence[SeriesView]) -> str:
    """Name the windows of the e-values of these series: how many, length, and when they began; empty without any."""
    known = [view for view in views if view.window_ticks and view.window_us != NEVER_US]
    if not known:
        return ""
    length = " to ".join(f"{ticks:,}" for ticks in _ends(view.window_ticks for view in known))
    longest = max((view.cadence_seconds * MICROSECONDS for view in known), default=0.0)
    # The end of the first tick tells its day.
    shift = round(longest) if longest >= DAY else 0
    begun = " to ".join(moment_in_words(us + shift, longest) for us in _ends(view.window_us for view in known))
    numbers = {view.windows for view in known}
    if numbers == {1}:
        return f"the first window of {length} ticks, not over yet, begun at {begun}"
    before = "the one before" if numbers == {2} else "the one before where there is one"
    return f"windows of {length} ticks, the present one so far and {before}, begun at {begun}"


def _ends(numbers: Iterable[int]) -> list[int]:
    """Give the smallest and the largest number, once where they are the same."""
    found = set(numbers)
    return sorted({min(found), max(found)})


def site_in_words(site: SiteView) -> str:
    """Say how many of a site's series alarm, and where it cannot alarm, why: too few series, blind ones, not ready."""
    of = f"of {site.series_count:,} series"
    if site.state in (State.WARNING, State.WATCHING):
        return f"{site.alarmed_count:,} {of} {'has' if site.alarmed_count == 1 else 'have'} an open alarm"
    if site.series_count < site.k:
        return f"cannot alarm: rules watch {site.series_count:,} matching series"
    waiting = site.series_count - site.able_count - site.blind_count - site.held_count
    kept = ((site.blind_count, "blind"), (site.held_count, "held"), (waiting, "not ready"))
    why = [f"{number:,} {word}" for number, word in kept if number]
    return f"cannot alarm now: {site.able_count:,} {of} can alarm ({', '.join(why)})"


def site_rule_in_words(site: SiteView) -> str:
    """Say when a site alarms: `when 2 of the series lake/* have an open alarm on lag1`."""
    kind = "" if site.kind == "any" else f" on {site.kind}"
    return f"when {site.k:,} of the series {site.match} have an open alarm{kind}"


def body_of(event: AlarmEvent | SiteEvent) -> dict[str, object]:
    """Give the event as JSON-ready data, its sentence under `text`; numbers that are not known are None.

    A site's alarm has all keys of a series' alarm, and `members` and `k` beside them: its threshold is the number of
    series that are needed, and what it has not, such as a source or a lag-1 autocorrelation, is None.
    """
    fields: dict[str, object]
    if isinstance(event, SiteEvent):
        own = {
            "members": list(event.members),
            "threshold": event.k,
            "remarks": (),
            "time": moment_iso(event.time_us),
            "labels": {},
            "ended_by": event.ended_by or None,
        }
        fields = dict.fromkeys((*_ALARM_KEYS, *Estimates._fields, *_DERIVED)) | asdict(event) | own
    else:
        fields = {key: getattr(event, key) for key in _ALARM_KEYS}
        numbers = {"threshold": event.threshold, "evidence": event.evidence, **event.estimates._asdict()}
        numbers |= {"e_value": event.e_value if event.what == "raised" else nan, **_recovery_numbers(event)}
        fields |= for_json(numbers)
        fields |= {"time": moment_iso(event.time_us), "time_us": event.time_us}
        fields["cadence_seconds"] = event.cadence_us / MICROSECONDS or None
        fields["labels"] = dict(read_key(event.series).labels)
        fields |= {"ended_by": event.ended_by} if event.ended_by else {}
    return fields | {"text": sentence_of(event)}


def _recovery_numbers(event: AlarmEvent) -> dict[str, float]:
    """Give the recovery time in seconds with the ends of its 95 % band; NaN or infinite where there is none, and NaN
    where the text says that it is unknown."""
    if hides_recovery(event.estimates.lag1_high, shifted="one_sided" in event.remarks):
        return dict.fromkeys(_RECOVERY, nan)
    found = (-1.0 / log(lag1) if 0.0 < lag1 < 1.0 else nan for lag1 in event.estimates[:3])
    seconds = event.cadence_us / MICROSECONDS
    return {name: ticks * seconds for name, ticks in zip(_RECOVERY, found, strict=True)}


def sentence_of(event: AlarmEvent | SiteEvent) -> str:
    """Say what was seen, in one sentence or more; never what will come."""
    if isinstance(event, SiteEvent):
        if event.ended_by:
            return f"site {event.series}: the alarm has ended with a change of settings, not by itself."
        if event.what == "cleared":
            return f"site {event.series}: the alarm has ended; fewer than {event.k} of its series have an open alarm."
        return (
            f"site {event.series}: {len(event.members)} series have an open alarm ({', '.join(event.members)}), "
            f"{event.k} are needed. This does not say that a change follows."
        )
    claim = CLAIMS[event.kind]
    own = ", set from its own baseline period," if event.relative else ""
    now = claim.now.format(threshold=event.threshold, own=own)
    if event.what == "cleared" and event.ended_by:
        empty = duration_in_words(event.gap_ticks * event.cadence_us / MICROSECONDS)
        gap = f"there were no values for {empty}" if event.gap_ticks else "too many values were missing"
        return f"{event.series}: the alarm {_ENDED[event.ended_by].format(gap=gap)}."
    if event.what == "cleared" and isnan(event.evidence):
        return (
            f"{event.series}: the alarm has ended with the evidence it stood on; after a gap, a new level, a "
            "counterpart that was lost or came back, or a change of settings it is gathered anew."
        )
    if event.what == "cleared":
        return f"{event.series}: the alarm has ended; {claim.ended.format(now=now, threshold=event.threshold)}."
    numbers = event.estimates
    cadence = event.cadence_us / MICROSECONDS
    seconds = numbers.period * cadence
    reading = claim.reading.format(
        band=words.lag1_in_words(numbers),
        recovery=recovery_clause(
            numbers, lambda n: duration_in_words(n * cadence), shifted="one_sided" in event.remarks
        ),
        swings=", overshooting from tick to tick" if event.side == "below" else "",
        modulus=numbers.modulus,
        period="" if isnan(seconds) else f", period about {duration_in_words(seconds)}",
        ratio=exp(min(numbers.spread, 700.0)),
        means="" if event.scale == 1 else f", in its means over {duration_in_words(event.scale * cadence)}",
    )
    remarks = "".join(f" {words.REMARKS[name]}" for name in event.remarks)
    told = f"Budget {event.alpha:.3g} false alarms per tick"
    told = f"Budget: {rule_budget_in_words(event.rule, event.alpha)}" if event.rule == SLOWER else told
    budget = "" if event.rule == RISE else f" {told}."
    return f"{event.series} {now}: {reading}.{budget}{remarks} {claim.caution}"


def amended_in_words(event: AlarmEvent | SiteEvent, text: str) -> str:
    """Say with an alarm that values corrected later raise that it was not raised by those before."""
    since = " It follows from values that were corrected since; those before did not raise it."
    return text + since if event.what == "raised" and isinstance(event, AlarmEvent) else text


def recovery_clause(estimates: Estimates[float], length: Callable[[float], str], *, shifted: bool) -> str:
    """Continue a sentence with the recovery time: of an open band what it is at least, unless the level has `shifted`.

    Empty where lag-1 is not above 0 or does not tell it. `length` writes so many ticks as a duration.
    """
    known, lag1 = words.known_recovery(estimates)
    if known and hides_recovery(estimates.lag1_high, shifted=shifted):
        return f", recovery time {words.SHIFTED}"
    return f", recovery time {known} {length(-1.0 / log(lag1))}" if known else ""


def seen_in_words(event: AlarmEvent) -> str:
    """Say in the past tense what an alarm found: `returned more slowly than lag-1 0.8 allows`."""
    return CLAIMS[event.kind].past.format(
        limit=threshold_label(round(event.threshold, 2) if event.relative else event.threshold),
        over=", overshooting," if event.side == "below" else "",
        own=", set from its own past," if event.relative else "",
    )
