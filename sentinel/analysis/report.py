"""The report of an analysis: one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from sentinel import __version__
from sentinel.analysis.record import URGENCY, SeriesRecord, ranked
from sentinel.analysis.sentences import choices, season_hint, sentence
from sentinel.domain.metrics import LEVEL
from sentinel.domain.spelling import number_in_words
from sentinel.pipeline.fleet import e_bh
from sentinel.text.claims import evidence_against_budget, rule_in_words
from sentinel.text.words import REMARKS, alpha_in_words, band_in_words


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report that only some analyses have, the same on the page and on the terminal."""

    title: str
    words: Sequence[str] = ()
    tables: Sequence[Sequence[Sequence[str]]] = ()
    """Rows of cells; the first row names the columns."""
    picture: str = ""
    """Drawn as SVG, for the page only."""
    limits: Sequence[str] = ()
    """What it can and cannot say."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that stands on the page."""

    title: str
    inputs: Sequence[str]
    records: Sequence[SeriesRecord]
    pictures: dict[str, bytes]
    """PNG by series name."""
    observations: int
    duplicates: int
    left_out: dict[str, int]
    left_columns: Sequence[str]
    complaints: Sequence[str]
    conditioning: bool
    sections: Sequence[Section] = ()
    remarks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By series: what kind of record it is, looking back at all of it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series stands among all."""

    record: SeriesRecord
    rank: int
    discovered: bool
    level: float
    """Smallest false discovery rate at which it stands out."""


def fleet(records: Sequence[SeriesRecord]) -> list[Standing]:
    """All series that have an e-value, the largest first; a ranking needs two."""
    found = e_bh(np.array([record.e_value for record in records]))
    standings = [
        Standing(record, int(rank), bool(discovered), float(level))
        for record, discovered, rank, level in zip(records, *found, strict=True)
        if rank
    ]
    return sorted(standings, key=lambda one: (one.rank, one.record.name)) if len(standings) > 1 else []


def write(report: Report, path: Path) -> None:
    """Write the page; it needs no other file and no network."""
    environment = Environment(
        loader=PackageLoader("sentinel.analysis", "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "thousands": lambda number: f"{number:,}", "amount": number_in_words, "alpha": alpha_in_words,
    }  # fmt: skip
    order = ranked(report.records)
    page = environment.get_template("report.html").render(
        report=report,
        version=__version__,
        records=order,
        sentence=sentence,
        season_hint=season_hint,
        choices=choices(report.records),
        pictures={name: base64.b64encode(png).decode("ascii") for name, png in report.pictures.items()},
        pictured=[record for record in order if record.name in report.pictures],
        fleet=fleet(report.records),
        fdr=LEVEL,
        alarms=[(r, event, cleared) for r in order for event, cleared in r.alarms],
        counts=[(state, sum(record.state is state for record in order)) for state in URGENCY],
        band=band_in_words,
        rule=rule_in_words,
        against_budget=evidence_against_budget,
        remarks=REMARKS,
    )
    path.write_text(page, encoding="utf-8", errors="replace")
