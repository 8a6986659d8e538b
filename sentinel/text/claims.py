"""What alarm rules claim, and how far their evidence has come, in words.

Channels claim different things. Lag-1 and modulus speak of a slow return; spread speaks of larger shocks or more noise,
which by itself is not slowing. A rule is named by its kind and its label, which never changes; the number behind a
relative rule is known only once its baseline period is full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, isnan, log10

from sentinel.domain.channels import CLAIMS
from sentinel.domain.events import AlarmEvent
from sentinel.domain.spelling import NEVER_US, moment_in_words, number_in_words, threshold_label
from sentinel.domain.states import Reason, State
from sentinel.domain.views import RuleView, SeriesView, SiteView
from sentinel.text.words import REASONS, REMARKS

FLOOR = -6.0
"""Lowest evidence that is shown, as log10."""
RELATIVE = "relative"


def rule_in_words(kind: str, label: str) -> str:
    """Name a rule: `lag-1 above 0.8`, `lag-1 above its own past`, `variance above 1.5 × its own past`."""
    if kind == "weighted":
        return " with ".join(rule_in_words(*part.split(" ", 1)) for part in label.split(" + "))
    side = "below" if label.startswith("below ") else "above"
    threshold, _, delta = label.removeprefix("below ").partition(" ")
    past = f"its own past{f' by {delta}' if delta else ''}"
    return CLAIMS[kind].rule.format(side=side, limit=past if threshold == RELATIVE else threshold.removesuffix("x"))


def rule_now_in_words(rule: RuleView) -> str:
    """Name a rule with the number that a relative one has found: `lag-1 above its own past (now 0.62)`."""
    now = f" (now {threshold_label(round(rule.threshold, 2))})" if rule.relative and not isnan(rule.threshold) else ""
    return rule_in_words(rule.kind, rule.label) + now


def seen_in_words(event: AlarmEvent) -> str:
    """Say in the past tense what an alarm found: `returned more slowly than lag-1 0.8 allows`."""
    return CLAIMS[event.kind].past.format(
        limit=threshold_label(round(event.threshold, 2) if event.relative else event.threshold),
        over=", overshooting," if event.side == "below" else "",
        own=", set from its own past," if event.relative else "",
    )


def remarks_in_words(rule: RuleView) -> str:
    """Say why an open alarm may not be slowing; empty for a plain one."""
    return " ".join(REMARKS[name] for name in rule.remarks)


def site_in_words(site: SiteView) -> str:
    """Say how many of a site's series alarm, and where it cannot alarm, why: too few series, blind ones, not ready."""
    of = f"of {site.series_count:,} series"
    if site.state in (State.WARNING, State.WATCHING):
        return f"{site.alarmed_count:,} {of} {'has' if site.alarmed_count == 1 else 'have'} an open alarm"
    if site.series_count < site.k:
        return f"cannot alarm: rules watch {site.series_count:,} matching series"
    waiting = site.series_count - site.able_count - site.blind_count
    why = [f"{site.blind_count:,} blind"] if site.blind_count else []
    why += [f"{waiting:,} not ready"] if waiting else []
    return f"cannot alarm now: {site.able_count:,} {of} can be judged ({', '.join(why)})"


def baseline_in_words(rule: RuleView) -> str:
    """Say what a rule's baseline period waits for, or that its halves disagree; empty where all is well."""
    if rule.baseline_left > 0:
        return (
            f"baseline period not full: {rule.baseline_left:,} more pair{'s' if rule.baseline_left != 1 else ''} needed"
        )
    return "the two halves of its baseline period disagree" if rule.baseline_disagrees else ""


def reason_in_words(view: SeriesView) -> str:
    """Say why a series is blind or learning, or which rules alarm; empty while it is quiet."""
    if view.state in (State.WARNING, State.CRITICAL):
        open_rules = [rule for rule in view.rules if rule.alarm_id]
        claims = _join_claims(rule_in_words(rule.kind, rule.label) for rule in open_rules)
        since = min((rule.since_us for rule in open_rules), default=view.since_us)
        alone = f"; {REASONS[view.reason]}" if view.reason is not Reason.NONE else ""
        return f"{claims} since {moment_in_words(since)}{alone}" if claims else alone.removeprefix("; ")
    if view.state is State.LEARNING:
        return _learning_in_words(view)
    since = min((rule.since_us for rule in view.rules if rule.alarm_id), default=NEVER_US)
    is_open = f"; the alarm since {moment_in_words(since)} is open" if since != NEVER_US else ""
    return f"{REASONS[view.reason]}{is_open}" if view.state is State.BLIND else REASONS[view.reason]


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
    if view.reason is Reason.BASELINE:
        # The rule that is ready first ends the learning.
        return next((baseline_in_words(rule) for rule in view.rules if rule.baseline_left > 0), REASONS[view.reason])
    if view.reason is Reason.CADENCE or view.warm_up_left <= 0:
        return REASONS[view.reason]
    ticks = f"{view.warm_up_left:,} more tick{'s' if view.warm_up_left != 1 else ''} needed"
    return ticks if view.reason is not Reason.GAP else f"{REASONS[Reason.GAP]}: {ticks}"


def evidence_share(rule: RuleView) -> float:
    """Give how far evidence has come towards its alarm line, in [0, 1]; NaN while not ready.

    0 is log10(alpha), where the e-detector stands after one tick that says nothing; 1 is the alarm line.
    """
    if isnan(rule.evidence):
        return rule.evidence
    start = max(log10(rule.alpha), FLOOR) if rule.alpha > 0 else FLOOR
    return min(1.0, max(0.0, 1.0 - rule.evidence / start)) if start < 0 else 1.0


def evidence_in_words(rule: RuleView) -> str:
    """Say how far evidence is from its alarm line: `past the alarm line`, `1/40 of an alarm`."""
    if isnan(rule.evidence):
        return "not ready"
    if rule.evidence >= 0:
        return "past the alarm line"
    if rule.evidence <= FLOOR:
        return "none"
    return f"1/{ceil(10**-rule.evidence):,} of an alarm"


def evidence_against_budget(evidence: float, alpha: float) -> str:
    """Write evidence as a number beside the one that is an alarm, 1/alpha: `7.9 of 10,000`; empty while not ready.

    `evidence` is log10 of its share of that line, never below `FLOOR`.
    """
    if isnan(evidence) or alpha <= 0:
        return ""
    if evidence <= FLOOR:
        return f"0 of {number_in_words(1 / alpha)}"
    return f"{number_in_words(10 ** min(evidence - log10(alpha), 300.0))} of {number_in_words(1 / alpha)}"


def leading_rule(view: SeriesView) -> RuleView | None:
    """Give the rule to show first: an open alarm before others, then the one with most evidence."""
    ready = [rule for rule in view.rules if not isnan(rule.evidence)]
    chosen = max(ready, key=lambda rule: (bool(rule.alarm_id), rule.evidence), default=None)
    return chosen or next(iter(view.rules), None)


def windows_in_words(views: Sequence[SeriesView]) -> str:
    """Name the windows of the e-values of these series: how many, length, and when they began; empty without any."""
    known = [view for view in views if view.window_ticks and view.window_us != NEVER_US]
    if not known:
        return ""
    ticks = [f"{n:,}" for n in sorted({view.window_ticks for view in known})]
    begun = sorted({view.window_us for view in known})
    length = f"{ticks[0]} to {ticks[-1]}" if len(ticks) > 1 else ticks[0]
    since = moment_in_words(begun[0]) + (f" to {moment_in_words(begun[-1])}" if len(begun) > 1 else "")
    numbers = {view.windows for view in known}
    if numbers == {1}:
        return f"the first window of {length} ticks, not over yet, begun at {since}"
    before = "the one before" if numbers == {2} else "the one before where there is one"
    return f"windows of {length} ticks, the present one so far and {before}, begun at {since}"
