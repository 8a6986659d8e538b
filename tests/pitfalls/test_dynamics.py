"""Pitfalls 5.15 to 5.17: oscillations, slowing that comes to nothing, and tipping that nothing announces."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from sentinel.domain.events import AlarmEvent
from sentinel.domain.states import SeriesView
from sentinel.text.claims import sentence_of
from tests.pipeline.streams import HOUR_US, Floats, Run, ar1, hourly, run, table

ROOT = Path(__file__).resolve().parents[2]
PROMISES = re.compile(
    r"\bwill (soon )?(tip|collapse|shift)\b|predict|forecast|imminent|time[- ]to[- ]tip", re.IGNORECASE
)

WORDS = re.compile(r"will\b|predict|forecast|imminent|to[- ]tip|is returning more slowly", re.IGNORECASE)
"""A file without any of them is not taken apart."""


def alarmed(found: Run, label: str) -> list[str]:
    """Series that a rule alarmed on after the first 700 ticks."""
    return sorted({e.series for e in found.events if e.what == "raised" and e.label == label and
                   e.time_us > 700 * HOUR_US})  # fmt: skip


def oscillating(seed: int, modulus: Floats, omega: float, series: int) -> Floats:
    """AR(2) with two complex roots of that modulus at `omega` per tick."""
    shocks = np.random.default_rng(seed).normal(size=(modulus.size, series))
    values = shocks.copy()
    for t in range(2, modulus.size):
        m = modulus[t]
        values[t] += 2.0 * m * np.cos(omega) * values[t - 1] - m * m * values[t - 2]
    return values


def test_pitfall_5_15_an_oscillation_that_dies_out_ever_more_slowly_is_seen_where_lag_1_is_blind() -> None:
    rising = np.interp(np.arange(1_600), [0, 700, 1_200], [0.5, 0.5, 0.96])
    rules = [
        {"kind": "modulus", "threshold": 0.8, "alpha": 1e-4, "at_start": "alarm"},
        {"threshold": 0.8, "alpha": 1.01e-4, "at_start": "alarm"},
    ]
    hopf = run(oscillating(515, rising, 1.2, 40), hourly(alarms=rules))
    moduli = [alarmed(hopf, "0.8"), [e.series for e in hopf.events if e.rule == "lag1"]]
    assert len(moduli[0]) >= 38
    assert moduli[1] == [], "lag-1 autocorrelation says nothing before a Hopf bifurcation"
    assert np.nanmedian(table(hopf, "modulus")[-1]) > 0.9
    assert np.nanmedian(table(hopf, "period")[-1]) == pytest.approx(2.0 * np.pi / 1.2, rel=0.1)
    told = next(sentence_of(event) for event in hopf.events if event.what == "raised")
    assert "is returning more slowly than modulus 0.8 of an oscillation allows" in told
    steady = run(oscillating(516, np.full(1_600, 0.7), 1.2, 40), hourly(alarms=rules))
    assert steady.events == []


def test_pitfall_5_15_lag_1_that_falls_towards_minus_one_is_seen_by_the_lower_side() -> None:
    falling = np.interp(np.arange(1_600), [0, 700, 1_200], [-0.3, -0.3, -0.96])
    rules = [
        {"threshold": -0.7, "side": "below", "alpha": 1e-4, "at_start": "alarm"},
        {"threshold": 0.3, "alpha": 1e-4, "at_start": "alarm"},
    ]
    doubling = run(ar1(517, falling, 1_600, 40), hourly(alarms=rules))
    assert len(alarmed(doubling, "below -0.7")) >= 38
    assert alarmed(doubling, "0.3") == [], "the usual, upper side is blind"
    assert np.nanmedian(table(doubling, "lag1")[-1]) == pytest.approx(-0.96, abs=0.03)
    told = next(sentence_of(event) for event in doubling.events if event.what == "raised")
    assert "is returning more slowly than lag-1 autocorrelation -0.7 allows" in told
    steady = run(ar1(518, -0.6, 1_600, 40), hourly(alarms=rules))
    assert steady.events == []


def test_pitfall_5_16_a_near_miss_is_called_slower_and_nothing_more() -> None:
    ticks = 2_000
    rho = 0.4 + 0.4 * np.sin(np.pi * np.arange(ticks) / ticks)
    values = ar1(516, rho, ticks, 40)
    strict = run(values, hourly(alarms=[{"threshold": 0.8, "alpha": 1e-3, "at_start": "alarm"}])).events
    raised = sum(event.what == "raised" for event in strict)
    assert raised <= 0.15 * 1e-3 * ticks * 40, "it never was above 0.8"
    told = run(values, hourly(alarms=[{"threshold": 0.6, "alpha": 1e-3, "at_start": "alarm"}])).events
    assert {event.series for event in told if event.what == "raised"} > {f"s{i}" for i in range(20)}
    for event in told:
        assert event.what == "cleared" or "is returning more slowly than" in sentence_of(event)
        assert event.what == "cleared" or "does not say that a change follows" in sentence_of(event)
        assert not PROMISES.search(sentence_of(event))
    assert sum(event.what == "cleared" for event in told) > 20, "when it passes, the alarm ends"


def emitted() -> list[tuple[str, str]]:
    """Every text that the program can emit: strings that are not documentation, pages, and their scripts."""
    found = []
    for path in [*(ROOT / "sentinel").rglob("*.py"), *(ROOT / "detectors").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if not WORDS.search(text):
            continue
        tree = ast.parse(text)
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        found += [
            (path.name, node.value) for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
        ]  # fmt: skip
    pages = [path for path in (ROOT / "sentinel").rglob("*") if path.suffix in {".html", ".js", ".svg"}]
    alerts = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in {".yaml", ".yml", ".json"}]
    return found + [(path.name, path.read_text(encoding="utf-8")) for path in [*pages, *alerts]]


def test_pitfall_5_16_no_text_the_program_can_emit_says_what_becomes_of_a_system() -> None:
    texts = emitted()
    assert any("is returning more slowly than" in text for _, text in texts), "the alarm's own text was not found"
    sentences = [(name, sentence) for name, text in texts for sentence in re.split(r"(?<=[.!?])\s|<", text)]
    denied = re.compile(r"\b(not|never)\b")  # "it does not say that a system will tip" may be said
    assert [(name, said) for name, said in sentences if PROMISES.search(said) and not denied.search(said)] == []


def noise_induced(runs: int, ticks: int) -> list[np.ndarray]:
    """A double well that shocks alone carry over the barrier, read until then: dx = (x - x^3) dt + .33 dW."""
    random = np.random.default_rng(517)
    x, paths, crossed = np.full(runs, -1.0), np.empty((ticks, runs)), np.full(runs, ticks)
    for t in range(ticks):
        for shock in 0.33 * np.sqrt(0.05) * random.normal(size=(10, runs)):
            x = x + (x - x**3) * 0.05 + shock
        paths[t] = x
        crossed[(x > 0.0) & (crossed == ticks)] = t
    return [paths[: crossed[i], i] for i in range(runs) if 300 < crossed[i] < ticks]


def test_pitfall_5_17_tipping_that_shocks_alone_cause_is_missed_and_the_docs_say_so() -> None:
    records = noise_induced(80, 1_000)
    assert len(records) >= 20, "enough runs went over the barrier after the warm-up"
    warned = [bool(run(record[:, None]).events) for record in records]
    assert np.mean(warned) <= 0.1, "nothing slows down before the shock that does it"
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert "without slowing down" in text
    assert "noise-induced" in text


def test_pitfall_5_17_no_date_is_extrapolated() -> None:
    columns = {*AlarmEvent._fields, *(field.name for field in fields(SeriesView))}
    assert {name for name in columns if re.search(r"tip|eta\b|remaining|expected|until|forecast", name)} == set()
