"""The glossary has every term once, in order, and names only what exists; words that were given up stay away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel.domain.metrics import METRICS
from sentinel.domain.observation import Rejection
from sentinel.domain.states import REASONS, STATES

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "deploy" / "README.md"]

REQUIRED = """alarm, alpha, assign, baseline period, budget, cadence, channel, checkpoint, counterpart, e-detector,
evidence, migrate, outbox, pair, perturbation, reading, spectrogram, spectrum, tick, variance ratio, watermark,
z-score"""

RETIRED = {
    "baseline": r"\breference (is|becomes) (full|missing)|\breference period\b|\bpaired series\b",
    "watermark": r"\b(told_us|clocks of (the|its) sources?|complete_until)\b",
    "assign": r"\b(housed|roster)\b",
    "migrate": r"\breplan(ned|s)?\b",
    "comparison": r"\b(the|a|its) standing\b|\bpairing\b",
}
"""The word in use -> the forms that it replaced."""


def rows(section: str) -> list[list[str]]:
    """The cells of the first table of a section."""
    table = f"\n{GLOSSARY}".split(f"\n{section}\n", 1)[1].split("\n|", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def test_each_term_stands_once_and_in_alphabetical_order() -> None:
    terms = [term.lower() for term, _, _ in rows("# Glossary")]
    assert terms == sorted(terms)
    assert len(set(terms)) == len(terms)
    assert {term.strip() for term in " ".join(REQUIRED.split()).split(",")} <= set(terms)


def test_definitions_are_short() -> None:
    for term, meaning, _ in rows("# Glossary"):
        assert meaning.endswith("."), term
        assert len(meaning) <= 130, term


def test_every_state_and_every_reason_is_explained_and_no_other() -> None:
    assert [row[0] for row in rows("## States")] == [f"`{state.value}`" for state in STATES]
    assert [row[0] for row in rows("## Reasons")] == [f"`{reason.value}`" for reason in REASONS if reason.value]
    (rejected,) = [
        line for line in GLOSSARY.splitlines() if line.startswith("| `sentinel_observations_rejected_total` | `")
    ]
    assert tuple(re.findall(r"`([a-z_]+)`", rejected)[1:]) == Rejection.ALL


def names(text: str) -> Iterator[tuple[str, str]]:
    """What the last column says where a term shows: `key`, `metric`."""
    for group in re.findall(r"\bkeys? ((?:`\w+`(?:, )?)+)", text):
        yield from (("key", name) for name in re.findall(r"`(?!sentinel_)(\w+)`", group))
    yield from (("metric", name) for name in re.findall(r"`(sentinel_\w+)`", text))


def test_keys_and_metrics_that_are_named_exist() -> None:
    keys = set(re.findall(r'"(\w+)": \{', (ROOT / "config" / "sentinel.schema.json").read_text(encoding="utf-8")))
    known = {"key": keys, "metric": {row.name for row in METRICS}}
    for term, _, shown in rows("# Glossary"):
        for kind, name in names(shown):
            assert name in known[kind], f"{term}: {kind} {name}"


@pytest.mark.parametrize("word", RETIRED)
def test_words_that_were_given_up_are_not_used(word: str) -> None:
    for page in PAGES:
        found = re.search(RETIRED[word], page.read_text(encoding="utf-8"))
        assert not found, f"{page.relative_to(ROOT)}: {found and found.group()!r}; the word is {word}"
