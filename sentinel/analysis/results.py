"""Results of the functions for notebooks: tables, pictures, sentences, and a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from sentinel.analysis.alternatives import find_all_trends
from sentinel.analysis.assembling import Analysed, assemble
from sentinel.analysis.intake import RUN_ROWS
from sentinel.analysis.pictures import draw_for_page, draw_record, write_picture
from sentinel.analysis.readings import alarm_table, site_table
from sentinel.analysis.record import SeriesRecord, describe, rank
from sentinel.analysis.report import ReportSection, write_report
from sentinel.analysis.run import run
from sentinel.analysis.surrogates import NULLS
from sentinel.analysis.trend import Deviations
from sentinel.domain.channels import hides_recovery
from sentinel.domain.errors import DataError
from sentinel.text.words import known_recovery
from sentinel.views.picture import Look

if TYPE_CHECKING:
    from sentinel.views.picture.figure import Figure

SHOWN = 20
"""Series in the table that a notebook shows."""
_SHOWN_BEFORE = count()
"""Numbers the pictures of a notebook, which are all on one page."""


class Analysis:
    """Findings for a notebook: `readings` and `alarms` as polars tables, a picture of each series, a report."""

    def __init__(self, where: str, found: Analysed, readings: pl.DataFrame) -> None:
        findings = found.findings
        self.read_as = [*found.intake.read_as, *found.odd]
        """Lines on the reading of the table: what is not taken as it stands, and what looks odd."""
        self.readings = readings
        """One row per series and tick; the columns of readings.parquet."""
        self.alarms = alarm_table(findings.events, findings.axes)
        """One row per alarm; the columns of alarms.csv."""
        self.sites = site_table(findings.sites, findings.records[0].axis)
        """One row per alarm of a site."""
        self._records = {record.name: record for record in rank(findings.records)}
        self._where, self._found = where, found

    @property
    def sentences(self) -> dict[str, str]:
        """Describe each series in plain words, the most alarming first."""
        return {name: describe(record) for name, record in self._records.items()}

    @property
    def summary(self) -> pl.DataFrame:
        """The readings of each series after its last tick, the most alarming first; null = not ready.

        `recovery` is in seconds, or in the units of a time axis of numbers; `evidence` is the largest ever, as log10
        over the budget: 0 is the alarm line.
        """
        last = {name: record.estimates for name, record in self._records.items()}
        records = self._records.values()
        numbers = {
            **{part: [getattr(seen, part) for seen in last.values()] for part in ("lag1", "lag1_low", "lag1_high")},
            "recovery": [_recovery(record) for record in records],
            "modulus": [seen.modulus for seen in last.values()],
            "variance": [math.exp(min(seen.spread, 700.0)) for seen in last.values()],
            "skewness": [seen.skewness for seen in last.values()],
            "cv": [record.cv for record in records],
            "evidence": [record.max_evidence for record in records],
        }
        counts = {part: [getattr(record, part) for record in records] for part in ("ticks", "missing", "gaps")}
        alarms = [len(record.alarms) for record in records]
        table = {"series": list(last), "state": [record.state.value for record in records], "alarms": alarms}
        return pl.DataFrame({**table, **numbers, **counts}).with_columns(pl.col(*numbers).fill_nan(None))

    def plot(
        self,
        series: str | None = None,
        *,
        path: Path | str | None = None,
        size: tuple[float, float] | None = None,
        font_size: float | None = None,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Figure:
        """Draw one series, by default the most alarming, as a matplotlib figure.

        Parameters
        ----------
        path
            File to write as well: *.pdf, *.svg or *.png.
        size
            Width and height in inches [9.6, 8.8].
        font_size
            Of most words, in points [8.5]; the others are larger or smaller in the same proportion.
        title
            [the name of the series]; "" = none.
        labels
            Names of axes, by what they show: value, residual, threshold, modulus, variance, evidence, criticality,
            period, recovery, reading.

        Raises DataError: there is no series of that name, or it has not a single tick. UsageError: a label or the
        ending of the file is not known.
        """
        name = next(iter(self._records)) if series is None else series
        if name not in self._records:
            raise DataError(f"no series {name!r}; there are {', '.join(list(self._records)[:10])}")
        record = self._records[name]
        look = Look.checked(size=size, font_size=font_size, title=title, labels=labels)
        figure = draw_record(record, self._found.findings.portraits.get(record.id), look)
        if path is not None:
            write_picture(figure, Path(path), "path")
        return figure

    def trends(self) -> pl.DataFrame:
        """Give Kendall's tau of lag 1 and variance over the whole record, with p-values against surrogates.

        Exploratory: one look at all of it, without a false-alarm budget over time. Columns `series`, `indicator`,
        `tau`, `p_ar`, `p_arma`, `p_blocks`, by null hypothesis; null = it cannot be fitted. Series of fewer than 100
        deviations are left out.

        Raises DataError: the record is too long.
        """
        found = self._found
        if found.observations.rows > RUN_ROWS:  # those were sorted on disk, in a folder that is gone
            raise DataError(f"{self._where}: more than {RUN_ROWS:,} rows; a shorter record is needed for its trends")
        deviations = Deviations()
        run(
            found.observations, found.settings, conditioning=found.conditioning, readings=None, kept=0,
            observers=[deviations],
        )  # fmt: skip
        rows = [
            (name, indicator, trend.tau, *(trend.p.get(null) for null in NULLS))
            for name, own in find_all_trends(deviations.by_series).items()
            for indicator, trend in own.items()
        ]
        numbers = {"tau": pl.Float64(), **{f"p_{null.lower()}": pl.Float64() for null in NULLS}}
        return pl.DataFrame(rows, schema={"series": pl.String(), "indicator": pl.String(), **numbers}, orient="row")

    def report(self, path: Path | str) -> Path:
        """Write the report of `sentinel backtest` as one HTML file that needs no other; give its path."""
        target = Path(path)
        try:
            write_report(assemble(self._found, self._where, [self._where], self.readings.lazy()), target)
        except OSError as error:
            raise DataError(f"{target}: {error.strerror or error}; a place that can be written is needed") from error
        return target

    def __repr__(self) -> str:
        more = len(self._records) - SHOWN
        lines = [f"{name}: {words}." for name, words in list(self.sentences.items())[:SHOWN]]
        return "\n".join([*lines, *([f"and {more:,} more series in .sentences"] if more > 0 else [])])

    def _repr_html_(self) -> str:
        """Show the most alarming series as a table, the first of them as a picture."""
        sentences = list(self.sentences.items())
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(name)}</th><td>{self._records[name].state.value}</td>'
            f'<td style="text-align: left">{escape(words)}.</td></tr>'
            for name, words in sentences[:SHOWN]
        )
        more = f"<p>and {len(sentences) - SHOWN:,} more series</p>" if len(sentences) > SHOWN else ""
        picture = ""
        portraits = self._found.findings.portraits
        drawn = next((record for record in self._records.values() if record.id in portraits), None)
        if drawn is not None:
            svg = draw_for_page(drawn, portraits[drawn.id], f"found-{next(_SHOWN_BEFORE)}").svg
            picture = f'<div style="max-width: 60em; background: #fff"><p>{escape(drawn.name)}</p>{svg}</div>'
        return f"<table>{rows}</table>{more}{picture}"


def _recovery(record: SeriesRecord) -> float:
    """Give the recovery time in the owner's units; NaN where lag-1 does not tell it, or the level may have shifted."""
    known, lag1 = known_recovery(record.estimates)
    hidden = hides_recovery(record.estimates.lag1_high, shifted=record.shifted)
    if not known or hidden or record.plan is None:
        return math.nan
    return record.units(-record.plan.cadence_us / math.log(lag1))


class Verdict:
    """Sentences and tables that judge the alarms, by labelled events or beside other choices of settings."""

    def __init__(
        self,
        sections: Sequence[ReportSection],
        alarms: pl.DataFrame | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self._sections = sections
        self.alarms = alarms
        """One row per alarm with its verdict; the columns of skill.csv. None = there were no events."""
        self.data = data or {}
        """All numbers; what skill.json holds."""
        self.tables = [
            pl.DataFrame(list(table[1:]), schema=[str(name) for name in table[0]], orient="row")
            for section in sections
            for table in section.tables
        ]
        """The tables of the report, as text."""

    @property
    def words(self) -> list[str]:
        """The sentences of the verdict, its limits last."""
        return [line for section in self._sections for line in (*section.words, *section.limits)]

    def __repr__(self) -> str:
        return "\n".join(line for section in self._sections for line in section.lines())

    def _repr_html_(self) -> str:
        parts = []
        for section in self._sections:
            parts.append(f"<h4>{escape(section.title)}</h4>")
            parts += [f"<p>{escape(line)}</p>" for line in section.words]
            for table in section.tables:
                head = "".join(f"<th>{escape(cell)}</th>" for cell in table[0])
                rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in table[1:])
                parts.append(f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
            parts += [f"<p><em>{escape(line)}</em></p>" for line in section.limits]
        return "".join(parts)
