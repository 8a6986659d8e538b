"""What rules claim, how far their evidence is, and why a series is in its state: in words."""

from __future__ import annotations

import re
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.config import AlarmSettings
from sentinel.domain.states import Reason, RuleView, State
from sentinel.text.claims import (
    baseline_in_words,
    evidence_against_budget,
    evidence_in_words,
    evidence_share,
    leading_rule,
    reason_in_words,
    remarks_in_words,
    rule_budget_in_words,
    rule_now_in_words,
    seen_in_words,
)
from sentinel.text.words import REASONS, REMARKS, rule_in_words

RULE = RuleView(
    kind="lag1", label="0.8", side="above", relative=False, threshold=0.8, baseline_left=0, baseline_disagrees=False,
    alpha=1e-4, severity="warning", evidence=-2.0, alarm_id="", since_us=-1, remarks=(),
)  # fmt: skip

RULES: list[dict[str, object]] = [
    {"threshold": 0.8},
    {"threshold": -0.8, "side": "below"},
    {"threshold": "relative"},
    {"threshold": "relative", "delta": 0.2},
    {"kind": "slower"},
    {"kind": "slower", "severity": "critical"},
    {"kind": "modulus", "threshold": 0.9},
    {"kind": "spread"},
    {"kind": "spread", "ratio": 2},
    {"kind": "weighted", "channels": [{"threshold": -0.5, "side": "below"}, {"kind": "spread"}]},
]
SEEN: list[dict[str, object]] = [
    {},
    {"relative": True, "threshold": 0.6249},
    {"side": "below", "threshold": -0.8},
    {"kind": "slower", "threshold": 0.62},
    {"kind": "modulus", "threshold": 0.9},
    {"kind": "spread", "threshold": 1.5},
]


def test_what_rules_claim_and_alarms_say_is_in_the_golden_words(golden) -> None:
    rules = [AlarmSettings.model_validate({"alpha": 1e-4} | written) for written in RULES]
    named = [f"{written}: {rule_in_words(rule.kind, rule.label)}" for written, rule in zip(RULES, rules, strict=True)]
    seen = [f"{change}: {seen_in_words(replace(RULE, **change))}" for change in SEEN]
    reasons = [f"{reason.value or '-'}: {words or '-'}" for reason, words in REASONS.items()]
    remarks = [f"{name}: {words}" for name, words in REMARKS.items()]
    parts = {"a rule claims": named, "an alarm has seen": seen, "a reason": reasons, "a remark": remarks}
    golden("claims.txt", "\n".join(line for title, lines in parts.items() for line in (f"# {title}", *lines, "")))


def test_a_relative_rule_shows_the_number_it_found() -> None:
    relative = replace(RULE, label="relative", relative=True, threshold=0.6249)
    assert rule_now_in_words(relative).endswith("(now 0.62)")
    assert rule_now_in_words(replace(relative, threshold=nan)) == rule_in_words("lag1", "relative")
    assert rule_now_in_words(RULE) == rule_in_words("lag1", "0.8")


def test_no_sentence_says_what_will_come() -> None:
    words = (Path(__file__).parents[1] / "golden" / "claims.txt").read_text(encoding="utf-8")
    assert not re.search(r"\b(will|going to|tip\w*|soon|imminent)\b", words)


def test_only_spread_does_not_speak_of_a_slow_return() -> None:
    for kind in ("slower", "lag1", "modulus", "spread", "rise"):
        assert ("more slowly" in seen_in_words(replace(RULE, kind=kind))) == (kind not in ("spread", "rise"))


def test_a_remark_says_what_else_an_alarm_may_be() -> None:
    assert remarks_in_words(RULE) == ""
    assert "level shift" in remarks_in_words(replace(RULE, remarks=("one_sided",)))
    assert "sensor" in remarks_in_words(replace(RULE, remarks=("one_sided", "noise")))


def test_evidence_stands_beside_the_number_that_is_an_alarm() -> None:
    said = [evidence_against_budget(evidence, 1e-4) for evidence in (-6.0, -3.1, -0.5, 0.02, 400.0, nan)]
    assert said == [
        "0 of 10,000", "7.9 of 10,000", "3,160 of 10,000", "10,500 of 10,000", "above 1,000 trillion of 10,000", "",
    ]  # fmt: skip


def test_a_reference_says_what_it_still_needs() -> None:
    filling = replace(RULE, baseline_left=400)
    assert baseline_in_words(filling) == "baseline period not full: 400 more pairs needed"
    assert baseline_in_words(replace(filling, baseline_left=1)) == "baseline period not full: 1 more pair needed"
    halves = "the two halves of its baseline period disagree"
    assert baseline_in_words(replace(RULE, baseline_disagrees=True)) == halves
    assert baseline_in_words(RULE) == ""


def test_a_series_that_waits_for_its_references_says_how_long(snapshot) -> None:
    view = replace(snapshot.view("lake/new"), reason=Reason.BASELINE, warm_up_left=0)
    assert reason_in_words(view) == "baseline period not full: 400 more pairs needed"
    assert reason_in_words(replace(view, rules=())) == "its own past is not known yet"


def test_an_alarm_is_named_by_its_rules_and_the_first_moment(snapshot) -> None:
    assert reason_in_words(snapshot.view("reactor")) == "modulus above 0.9 since 2026-07-23 17:20 UTC"
    grid = snapshot.view("grid/frequency")
    assert reason_in_words(grid) == "lag-1 above 0.8 since 2026-07-23 17:20 UTC"
    labels = [("lag1", "0.7"), ("lag1", "0.8"), ("lag1", "relative"), ("lag1", "below -0.8"), ("spread", "1.5x")]
    labels.append(("weighted", "lag1 0.8 + modulus 0.9"))
    several = tuple(replace(grid.rules[0], kind=kind, label=label) for kind, label in labels)
    assert reason_in_words(replace(grid, rules=several)) == (
        "lag-1 above 0.7, 0.8 and its own past and lag-1 below -0.8 and variance above 1.5 × its own past "
        "and lag-1 above 0.8 with modulus above 0.9 since 2026-07-23 17:20 UTC"
    )


def test_every_reason_has_words(snapshot) -> None:
    assert set(REASONS) == set(Reason)
    blind = replace(snapshot.view("lake/loaded"), state=State.BLIND)
    words = [reason_in_words(replace(blind, reason=reason)) for reason in Reason if reason is not Reason.NONE]
    assert all(words)
    assert len(set(words)) == len(words)


def test_learning_says_how_many_ticks_are_missing_and_why(snapshot) -> None:
    view = snapshot.view("lake/new")
    assert reason_in_words(view) == "34 more ticks needed"
    assert reason_in_words(replace(view, warm_up_left=1)) == "1 more tick needed"
    assert reason_in_words(replace(view, reason=Reason.GAP)) == "restarted after a long gap: 34 more ticks needed"
    assert reason_in_words(replace(view, reason=Reason.CADENCE)) == "learning the cadence"


@pytest.mark.parametrize(
    ("evidence", "words", "share"),
    [
        (nan, "not ready", nan),
        (-6.0, "none", 0.0),
        (-2.0, "1/100 of an alarm", 0.5),
        (-0.0526, "88 % of an alarm", 0.98685),
        (0.0, "past the alarm line", 1.0),
    ],
)
def test_evidence_is_a_part_of_an_alarm(evidence: float, words: str, share: float) -> None:
    rule = replace(RULE, evidence=evidence)
    assert evidence_in_words(rule) == words
    assert evidence_share(rule) == pytest.approx(share, nan_ok=True)


@given(evidence=st.floats(-6, 300), alpha=st.floats(0, 1))
def test_a_share_lies_between_nothing_and_the_alarm_line(evidence: float, alpha: float) -> None:
    share = evidence_share(replace(RULE, evidence=evidence, alpha=alpha))
    assert 0 <= share <= 1
    assert share == 1 or evidence < 0 or alpha >= 1


def test_the_leading_rule_is_the_open_alarm_then_the_most_evidence_then_the_first(snapshot) -> None:
    quiet, strong = replace(RULE, evidence=-3.0), replace(RULE, evidence=1.0)
    alarm, unready = replace(RULE, evidence=-1.0, alarm_id="a"), replace(RULE, evidence=nan)
    view = snapshot.view("lake/new")
    assert leading_rule(replace(view, rules=(quiet, strong, alarm))) is alarm
    assert leading_rule(replace(view, rules=(unready, quiet, strong))) is strong
    assert leading_rule(replace(view, rules=(unready,))) is unready
    assert leading_rule(replace(view, rules=())) is None


def test_a_held_rule_says_so_and_is_never_called_quiet(snapshot) -> None:
    river = snapshot.view("river")
    assert river.held
    assert evidence_in_words(river.rules[0]) == "held: so from its start"
    assert reason_in_words(river) == "held, lag-1 above 0.8: slow for its cadence (sampled fast, or already slow)"
    other = replace(RULE, kind="slower", label="warning", evidence=-3.0)
    assert leading_rule(replace(river, rules=(*river.rules, other))) == other, "what can alarm is shown before it"
    blind = replace(river, state=State.BLIND, reason=Reason.STUCK)
    assert reason_in_words(blind).startswith("the value is stuck; held, ")


def test_alpha_is_said_only_of_rules_that_have_a_theorem_and_a_budget_in_words_of_the_others() -> None:
    assert rule_budget_in_words("lag1", 1e-4) == "alpha 0.0001 per tick, 1 false alarm in 10,000 ticks"
    assert rule_budget_in_words("lag1", 1e-4, short=True) == "alpha 1/10,000"
    assert rule_budget_in_words("slower", 1e-4, short=True) == "1 false alarm in 10,000 ticks"
    assert "alpha" not in rule_budget_in_words("rise", 1e-4)
