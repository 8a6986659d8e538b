"""What `sentinel check` says of each effective value, in its own units."""

from __future__ import annotations

import re
from typing import Any

import pytest

from detectors.delay import lag1_delay
from sentinel.commands.check import summary
from sentinel.config import AlarmSettings, BankSettings, Settings
from sentinel.domain.spans import Cadence
from sentinel.pipeline.plan import plan_for
from sentinel.text.words import describe_bank, describe_rule, span

DAY, HOUR = Cadence.parse("1d"), Cadence.parse("1h")


def said(cadence: Cadence, alarm: dict[str, Any], bank: dict[str, Any] | None = None, **series: Any) -> list[str]:
    """The lines of one bank and one rule."""
    settings = Settings.model_validate({"series": [series], "banks": {"default": bank or {}}, "alarms": [alarm]})
    plan = plan_for(settings, "x", cadence)
    [written] = settings.rules_for("x")
    return [
        *describe_bank(plan, settings.bank_for("x"), cadence),
        *describe_rule(plan, plan.rules[0], written, cadence),
    ]


ALARMS: list[dict[str, Any]] = [
    {"threshold": 0.8},
    {"threshold": 0.8, "alpha": 1e-3},
    {"threshold": 0.8, "alpha": 1e-2},
    {"threshold": 0.8, "clear": 1e-2},
    {"threshold": 0.99},
    {"threshold": -0.7, "side": "below"},
    {"threshold": -0.98, "side": "below"},
    {"threshold": "relative"},
    {"threshold": "relative", "delta": 0.2, "side": "below"},
    {"kind": "modulus", "threshold": 0.9},
    {"kind": "modulus", "threshold": 0.99},
    {"kind": "spread"},
    {"kind": "weighted", "channels": [{"threshold": 0.7, "weight": 3}, {"kind": "spread", "ratio": 2}]},
]


def test_what_banks_and_rules_of_every_kind_mean_is_in_the_golden_words(golden) -> None:
    shared = {"threshold": 0.8, "false_alarms": "1 per 10y", "share": 0.8, "shared_by": 100}
    alarms = [*({"alpha": 1e-4} | alarm for alarm in ALARMS), shared]
    bank = said(DAY, {"kind": "spread", "alpha": 1e-4})[:4]
    rules = {str(alarm): [line for line in said(DAY, alarm) if line not in bank] for alarm in alarms}
    parts = {"a bank with a baseline period": bank} | rules
    golden("meaning.txt", "\n".join(line for title, lines in parts.items() for line in (f"# {title}", *lines, "")))


def test_the_effective_alpha_and_the_delay_are_those_of_the_instrument() -> None:
    alarm = {"threshold": 0.8, "false_alarms": "1 per 10y", "share": 0.8, "shared_by": 100}
    *_, budget, seen, _ = said(DAY, alarm)
    alpha = 0.8 / 100 / 3652.5
    assert f"= alpha {alpha:.3g} per tick" in budget
    assert f"about {float(f'{lag1_delay(0.8, 0.9, alpha):.2g}'):.0f} d" in seen


def test_each_channel_of_a_weighted_rule_has_a_delay_of_its_own_by_its_weight() -> None:
    first, _ = said(DAY, {"alpha": 1e-4} | ALARMS[-1])[-3:-1]
    assert f"about {float(f'{lag1_delay(0.7, 0.85, 0.75e-4):.2g}'):.0f} d" in first


def test_large_budgets_are_answered_roughly_and_what_is_next_to_1_not_at_all() -> None:
    def seen(alarm: dict[str, Any]) -> str:
        return said(DAY, {"alpha": 1e-4} | alarm)[-2].partition(";")[0]

    assert ["roughly" in seen({"threshold": 0.8, "alpha": alpha}) for alpha in (1e-4, 1e-3, 1e-2)] == [
        False,
        False,
        True,
    ]
    assert not re.search(r"\d d", seen({"threshold": 0.99}))
    assert not re.search(r"\d d", seen({"threshold": -0.98, "side": "below"}))


def test_a_reference_is_spoken_of_where_a_rule_needs_one() -> None:
    text = "baseline period of 200 pairs: full after 250 d at the earliest"
    bank = {"baseline_ticks": 200}
    assert text in said(DAY, {"kind": "spread", "alpha": 1e-4}, bank)
    assert text not in said(DAY, {"threshold": 0.8, "alpha": 1e-4}, bank)


CHANGED: dict[str, Any] = {
    "half_life": "50 ticks", "level_half_life": "20 ticks", "warm_up_ticks": 333, "thresholds": 17, "lowest": -0.9,
    "highest": 0.98,
    "scale_half_life": "90 ticks", "season_memory": 7, "spread_half_life": "44 ticks",
    "baseline_ticks": 500, "window_ticks": 700, "preset": "lake",
}  # fmt: skip
RULE: dict[str, Any] = {
    "kind": "lag1", "threshold": 0.75, "side": "below", "alpha": 1e-5, "share": 0.5, "shared_by": 7,
    "severity": "critical", "clear": 1e-2, "bets": [0.4], "at_start": "alarm",
}  # fmt: skip


def whole(bank: dict[str, Any], alarm: dict[str, Any]) -> list[str]:
    alarms = [{"threshold": 0.8, "alpha": 1e-4} | alarm, {"match": "[x]", "kind": "spread", "alpha": 1e-6}]
    series = [{"cadence": "1d", "season": ["1y"]}]
    return list(summary(Settings.model_validate({"series": series, "banks": {"default": bank}, "alarms": alarms})))


@pytest.mark.parametrize("key", CHANGED)
def test_every_key_of_a_bank_changes_what_is_said(key: str) -> None:
    assert whole({key: CHANGED[key]}, {}) != whole({}, {})


def test_a_season_that_is_forgotten_too_soon_for_the_budget_is_spoken_of() -> None:
    # At season_memory 1, of a daily season, 2.4 times a budget of 1e-4 came at the null; at 2, 1.2 times.
    text = "under 120 ticks, small budgets may not hold"
    assert not any(text in line for line in whole({}, {}))
    series = [{"cadence": "1h", "season": ["1d"]}]
    soon = Settings.model_validate({"series": series, "banks": {"default": {"season_memory": 2}}})
    assert any(text in line for line in summary(soon))


@pytest.mark.parametrize("key", RULE)
def test_every_key_of_a_rule_changes_what_is_said(key: str) -> None:
    plain = {"kind": "spread", "threshold": None, "ratio": 3} if key == "kind" else {}
    assert whole({}, {key: RULE[key]}) != whole({}, plain)


def test_no_key_of_banks_and_alarms_is_left_out_above() -> None:
    assert set(CHANGED) == set(BankSettings.model_fields)
    elsewhere = {"match", "false_alarms", "delta", "ratio", "channels"}
    assert set(RULE) | elsewhere == set(AlarmSettings.model_fields)


@pytest.mark.parametrize(
    ("ticks", "words"),
    [(1, "60 m"), (2.2, "2.2 h"), (72, "3 d"), (1e5, "11.4 y"), (1e9, "114,000 y"), (1e-4, "0.36 s")],
)
def test_a_span_is_in_the_unit_a_person_would_take(ticks: float, words: str) -> None:
    assert span(ticks, HOUR) == words


def test_what_all_rules_have_in_common_is_said_once() -> None:
    different = {"alarms": [{"threshold": 0.8, "alpha": 1e-4, "clear": 1e-2}, {"kind": "spread", "alpha": 1e-4}]}
    alike = {"alarms": [{"threshold": 0.8, "alpha": 1e-4}, {"kind": "spread", "alpha": 1e-4}]}
    series = [{"match": "a", "reference": "b", "cadence": "1h"}]

    def said(alarms: dict[str, Any]) -> str:
        return "\n".join(summary(Settings.model_validate({"series": series, **alarms})))

    assert said(alike).count("ends on evidence of the opposite") == 1
    assert "each of them ends on evidence of the opposite at 0.001; bets" in said(alike)
    assert re.findall("ends on evidence of the opposite at ([0-9.]+)", said(different)) == ["0.01", "0.001"]
    assert "(rules for that name: the same 2)" in said(alike)
    assert said(alike).count("warning lag-1 above 0.8: ") == 1
    own = {"alarms": [{"match": "a - b", "kind": "spread", "alpha": 1e-4}]}
    assert "'a - b' warning variance above 1.5 × its own past: alpha 0.0001" in said(own)


def test_a_pair_says_when_it_is_ready_after_its_halves() -> None:
    entries = [{"match": "a", "reference": "b", "cadence": "1h", "season": ["100h"]}, {"cadence": "1h"}]
    said = "\n".join(summary(Settings.model_validate({"series": entries})))
    (own,) = re.findall(
        r"^ +first verdict after .* = (\d+) ticks with a value.* starts anew; stale", said, re.MULTILINE
    )[:1]
    (pair,) = re.findall(r"'a - b' has its first verdict after .* = (\d+) ticks with both, at the earliest", said)
    assert int(own) > 200, "two periods of its season"
    assert int(pair) == int(own) + 20, "and the scale of the difference"


def test_a_pair_says_how_long_it_waits_for_a_slower_source() -> None:
    def waits(**of_reference: str) -> str:
        entries = [{"match": "a", "reference": "b", "cadence": "1h"}, {"match": "b", "cadence": "1h"} | of_reference]
        return next(
            line for line in summary(Settings.model_validate({"series": entries})) if "is slower" in line
        ).strip()

    assert waits() == (
        "where the source of b is slower, 'a - b' waits for at most 41.7 d = 1000 ticks, "
        "and is blind (reference_behind) while more than 14 h = 14 ticks wait"
    )
    assert "= 2000 ticks" in waits(max_gap="2000h")
    assert "= 3000 ticks" in waits(stale_after="3000h")
    assert "= 10000 ticks" in waits(stale_after="30000h")


def test_the_tier_of_a_rule_of_kind_slower_is_said_once():
    """`check` said "warning slower than it was (warning)"."""
    settings, cadence = Settings(), Cadence.parse("1d")
    plan = plan_for(settings, "x", cadence)
    first = next(describe_rule(plan, plan.rules[0], settings.alarms[0], cadence))
    assert first.startswith("slower than it was (warning): budget 1 per 1y")
