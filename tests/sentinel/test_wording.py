"""One way to say a duration, a moment, a band, a reason and a threshold."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.snapshot import Reason, RuleView, State
from sentinel.wording import (
    REASONS,
    duration_in_words,
    evidence_in_words,
    evidence_share,
    lag1_in_words,
    leading_rule,
    moment_in_words,
    moment_iso,
    reason_in_words,
    recovery_band_in_words,
    recovery_in_words,
    threshold_label,
)

RULE = RuleView(
    kind="lag1", label="0.8", side="above", relative=False, threshold=0.8, reference_left=0, reference_disagrees=False,
    alpha=1e-4, severity="warning", evidence=-2.0, alarm_id="", since_us=-1, remarks=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.25, "250 ms"),
        (1.0, "1 s"),
        (59.9, "59.9 s"),
        (3600.0, "1 h"),
        (3599.0 * 24, "24 h"),
        (86400.0, "1 day"),
        (250.4 * 86400, "250 days"),
        (365.25 * 86400, "1 year"),
        (1e12, "31,688 years"),
        (nan, "unknown"),
        (inf, "unlimited"),
    ],
)
def test_a_duration_has_two_or_three_digits_and_a_unit(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words


@pytest.mark.parametrize(
    ("time_us", "words"),
    [
        (-1, "never"),
        (0, "1970-01-01"),
        (-3 * 86_400_000_000, "1969-12-29"),
        (1_785_000_000_000_000, "2026-07-25 17:20 UTC"),
        (1_785_000_005_000_000, "2026-07-25 17:20:05 UTC"),
        (2**63 - 1, f"{2**63 - 1} µs"),
    ],
)
def test_a_moment_leaves_out_what_is_zero_at_its_end(time_us: int, words: str) -> None:
    assert moment_in_words(time_us) == words


def test_a_moment_for_machines_is_iso_or_nothing() -> None:
    assert moment_iso(1_785_000_000_000_000) == "2026-07-25T17:20:00+00:00"
    assert moment_iso(-1) is None
    assert moment_iso(2**63 - 1) is None


@pytest.mark.parametrize(
    ("threshold", "label"),
    [(0.8, "0.8"), (0.99, "0.99"), (-0.0, "0"), (1e-17, "0"), (0.84231, "0.8423"), (-0.5, "-0.5")],
)
def test_a_threshold_has_at_most_four_decimals(threshold: float, label: str) -> None:
    assert threshold_label(threshold) == label


def test_a_band_says_at_which_end_it_is_open(snapshot) -> None:
    view = snapshot.view("lake/loaded")
    assert lag1_in_words(view) == "0.91 (0.84 to 0.95)"
    assert lag1_in_words(replace(view, lag1_high=1.0)) == "0.91 (above 0.84)"
    assert lag1_in_words(replace(view, lag1_low=-1.0)) == "0.91 (below 0.95)"
    assert lag1_in_words(replace(view, lag1_low=-1.0, lag1_high=1.0)) == "0.91 (band open)"
    assert lag1_in_words(snapshot.view("lake/new")) == "not ready"


def test_a_recovery_time_says_longer_than_for_an_open_band_and_none_below_zero(snapshot) -> None:
    view = snapshot.view("lake/loaded")
    assert (recovery_in_words(view), recovery_band_in_words(view)) == ("10.6 h", "5.74 h to 19.5 h")
    open_band = replace(view, recovery_high_seconds=inf)
    assert (recovery_in_words(open_band), recovery_band_in_words(open_band)) == ("longer than 5.74 h", "")
    assert recovery_in_words(replace(open_band, recovery_low_seconds=nan)) == "longer than 10.6 h"
    falling = replace(view, lag1=-0.2, recovery_seconds=nan, recovery_low_seconds=nan, recovery_high_seconds=nan)
    assert (recovery_in_words(falling), recovery_band_in_words(falling)) == ("none: lag-1 is not above 0", "")


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
    [(nan, "not ready", nan), (-6.0, "none", 0.0), (-2.0, "1/100 of an alarm", 0.5), (0.0, "past the alarm line", 1.0)],
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
