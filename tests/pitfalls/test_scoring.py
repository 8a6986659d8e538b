"""Pitfalls 5.2, 5.18 and 5.19: how a warning is scored, through `sentinel backtest --events`."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau

from sentinel.commands.main import entry_point
from tests.analysis.lakes import without_pictures
from tests.pipeline.streams import Floats, ar1, hourly, run
from tests.pitfalls.naive import rolling_ac1

TICKS, EVENT = 1_200, 800


class Verdict(NamedTuple):
    """What a labelled backtest left behind."""

    data: dict[str, Any]
    out: Path
    told: str


def slowing(seed: int, begin: int) -> Floats:
    return ar1(seed, np.where(np.arange(TICKS) < begin, 0.3, 0.95), TICKS)[:, 0]


def judged(folder: Path, columns: dict[str, Floats], events: list[str]) -> Verdict:
    """Run the command; its verdict."""
    pl.DataFrame({"time": np.arange(TICKS)} | columns).write_csv(folder / "data.csv")
    (folder / "events.csv").write_text("\n".join(["series,time,kind", *events, ""]), encoding="utf-8")
    (folder / "rules.yaml").write_text("alarms: [{threshold: 0.8, alpha: 1e-4}]\n", encoding="utf-8")
    command = ["backtest", str(folder / "data.csv"), "--events", str(folder / "events.csv")]
    command += ["--config", str(folder / "rules.yaml")]
    told = io.StringIO()
    with redirect_stdout(told), without_pictures():
        assert entry_point([*command, "--out", str(folder / "out")]) == 0
    data = json.loads((folder / "out" / "skill.json").read_text(encoding="utf-8"))
    return Verdict(data, folder / "out", told.getvalue())


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """One series slows before its event, and its mean changes too; one slows after it; one is a control."""
    shift = np.where(np.arange(TICKS) < 600, 0.0, 8.0)
    columns = {"before": slowing(1, 400) + shift, "after": slowing(2, EVENT), "quiet": ar1(3, 0.3, TICKS)[:, 0]}
    labels = [f"{name},{time},{kind}" for name in ("before", "after") for time, kind in
              ((400, "start"), (EVENT, "transition"))]  # fmt: skip
    return judged(tmp_path_factory.mktemp("labelled"), columns, [*labels, "quiet,,control"])


def test_pitfall_5_2_an_alarm_after_the_event_is_late_and_no_warning(labelled: Verdict) -> None:
    alarms = pl.read_csv(labelled.out / "alarms.csv")
    assert set(alarms["series"]) == {"before", "after"}, "any alarm at all: two of two would be detected"
    assert labelled.data["detected"] == 1
    assert [event["series"] for event in labelled.data["events"] if event["lead"] is not None] == ["before"]
    verdicts = pl.read_csv(labelled.out / "skill.csv").filter(series="after")["verdict"].to_list()
    assert verdicts
    assert all(verdict.startswith("late") for verdict in verdicts)
    assert "1 True (before an event)" in labelled.told
    assert "0 False" in labelled.told


def test_pitfall_5_18_a_verdict_without_a_control_says_what_it_cannot_say(labelled: Verdict, tmp_path: Path) -> None:
    assert "prosecutor" not in labelled.told
    alone = judged(tmp_path, {"x": slowing(1, 400)}, ["x,400,start", f"x,{EVENT},transition"])
    assert "the prosecutor's fallacy" in alone.told
    assert "prosecutor" in (alone.out / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_pitfall_5_18_series_chosen_because_they_crossed_a_line_by_chance_keep_the_budget() -> None:
    # A stationary series now and then wanders far by chance; who looks back from there sees a rise that means nothing.
    values = ar1(518, 0.8, 700, 600)
    far = np.abs(values[250:]) > 3.2
    chosen = [(i, 250 + int(np.argmax(far[:, i]))) for i in np.flatnonzero(far.any(axis=0))]
    assert len(chosen) > 100
    tau = [
        kendalltau(np.arange(100), rolling_ac1(values[end - 198 : end + 1, i], 100)[:100]).statistic
        for i, end in chosen
    ]
    assert np.mean(np.array(tau) > 0.5) > 0.1, "the usual trend test convicts the innocent"
    found = run(values, hourly(alarms=[{"threshold": 0.8, "alpha": 1e-3, "at_start": "alarm"}]))
    ends = {f"s{i}": end for i, end in chosen}
    alarms = sum(
        event.what == "raised" and event.time_us / 3.6e9 <= ends.get(event.series, -1) for event in found.events
    )
    assert alarms + 1.645 * np.sqrt(alarms) + 1.35 < 1e-3 * sum(ends.values()), alarms


def test_pitfall_5_19_the_trivial_rivals_stand_beside_the_verdict(labelled: Verdict) -> None:
    rivals = {rival["name"]: rival for rival in labelled.data["rivals"]}
    assert {"sentinel", "mean", "standard deviation", "skewness", "always", "never"} < set(rivals)
    assert all(name in labelled.told for name in rivals)
    assert rivals["always"]["detected"] == 2
    assert rivals["never"]["detected"] == 0
    assert rivals["mean"]["detected"] >= 1, "a rival that knows nothing of slowing sees the shift of the mean"
