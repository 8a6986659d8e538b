"""`backtest --inject fold --gate ...`: would these settings have seen a transition, within their budget?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.analysis.gate import inject_fold, parse_gate
from sentinel.commands.main import entry_point
from sentinel.domain.errors import UsageError
from tests.pipeline.streams import ar1

QUIET = ar1(11, np.full(2_400, 0.4), 2_400, 6)
SEES = "alarms: [{threshold: 0.55, alpha: 1e-3}]\n"
BLIND = "alarms: [{threshold: 0.98, alpha: 1e-6}]\n"
LOOSE = "alarms: [{threshold: 0.0, alpha: 1e-4, at_start: alarm}]\n"


def table(folder: Path, values: np.ndarray = QUIET) -> Path:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    lines = ["time," + ",".join(f"s{n}" for n in range(values.shape[1]))]
    lines += [
        f"{(begin + timedelta(hours=t)).isoformat()}," + ",".join(f"{value:.6f}" for value in row)
        for t, row in enumerate(values)
    ]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    return folder / "data.csv"


def gate(folder: Path, rules: str, conditions: str, *more: str, values: np.ndarray = QUIET) -> int:
    (folder / "rules.yaml").write_text(rules)
    arguments = [
        "backtest",
        str(table(folder, values)),
        "--config",
        str(folder / "rules.yaml"),
        "--out",
        str(folder / "out"),
    ]
    return entry_point([*arguments, "--quiet", *(more or ("--inject", "fold")), "--gate", conditions])


@pytest.mark.slow
def test_settings_that_see_the_transitions_within_their_budget_pass(tmp_path: Path, capsys) -> None:
    assert gate(tmp_path, SEES, "detected >= 0.9, lead >= 0.05, false_alarms <= budget") == 0
    out = capsys.readouterr().out
    assert "transitions seen: 6 of 6" in out
    assert out.count("holds: ") == 3


@pytest.mark.slow
def test_settings_that_see_nothing_fail_by_detection_alone(tmp_path: Path, capsys) -> None:
    assert gate(tmp_path, BLIND, "detected >= 0.9, false_alarms <= budget") == 1
    out = capsys.readouterr().out
    assert "FAILS: detected >= 0.9: 0" in out
    assert "holds: false_alarms" in out
    assert "not seen: s0" in out


@pytest.mark.slow
def test_alarms_on_the_quiet_record_beyond_chance_fail_the_budget_without_a_transition_too(
    tmp_path: Path, capsys
) -> None:
    many = np.concatenate([ar1(n, np.full(1_200, 0.4), 1_200, 4) for n in range(3)], axis=1)
    assert gate(tmp_path, LOOSE, "false_alarms <= budget", "--cadence", "1h", values=many) == 1
    assert "FAILS: false_alarms <= budget: above it: lag-1 above 0" in capsys.readouterr().out


def test_a_gate_that_cannot_be_read_is_refused_before_anything_is_analysed(tmp_path: Path, capsys) -> None:
    for text in ("detected > 0.9", "detected >= 9", "seen >= 1", "", "false_alarms <= budget,", "lead >= 1.2.3"):
        with pytest.raises(UsageError, match="allowed"):
            parse_gate(text, injects=True)
    assert gate(tmp_path, SEES, "detected >= 0.9", "--cadence", "1h") == 2
    assert "--inject fold" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1), st.floats(0.0, 0.9), st.sampled_from([(), (24.0,)]),
    st.lists(st.integers(1, 3), min_size=200, max_size=400),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_the_values_before_the_begin_stay_bit_for_bit_and_those_behind_return_ever_more_slowly(
    seed: int, lag1: float, seasons: tuple[float, ...], steps: list[int]
) -> None:
    tick = np.cumsum(steps)
    value = 7.0 + 3.0 * ar1(seed, np.full(tick.size, lag1), tick.size, 1)[:, 0]
    found = inject_fold(tick, value, 30.0, seasons)
    assert np.array_equal(found.value[: found.begin], value[: found.begin])
    assert 0 < found.begin < value.size
    assert np.isfinite(found.value).all()
    scaled = inject_fold(tick, 2.0 * value, 30.0, seasons)
    assert np.allclose(scaled.value, 2.0 * found.value)


def test_the_end_of_the_way_has_the_lag_of_a_fold() -> None:
    values = ar1(5, np.full(6_000, 0.4), 6_000, 8)
    found = [inject_fold(np.arange(6_000), values[:, s], 30.0).value for s in range(8)]
    near = np.stack([each[5_200:5_500] for each in found])  # from 73 % to 83 % of the way
    near = near - near.mean(axis=1, keepdims=True)
    lag1 = (near[:, 1:] * near[:, :-1]).sum() / (near**2).sum()
    assert abs(lag1 - 0.4 ** np.sqrt(1.0 - 0.78)) < 0.06
