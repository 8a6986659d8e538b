"""What was read, chosen and found, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from sentinel.analysis.record import ranked
from sentinel.analysis.report import Report, Section
from sentinel.analysis.sentences import choices, season_hint, sentence

LISTED = 20
"""Series named one by one."""
NEVER_CHANGED = (
    "Cadence comes from the first 50 time stamps, half-life and warm-up from a fixed table by cadence; "
    "none of it ever changes with later data."
)


def summary(report: Report) -> Iterator[str]:
    """What was read, chosen and found, for a terminal."""
    yield f"{report.title}: {report.observations:,} observations of {len(report.records):,} series"
    left_out = [f"{count:,} {reason}" for reason, count in report.left_out.items()]
    if report.duplicates:
        left_out.append(f"{report.duplicates:,} duplicate{'s' if report.duplicates > 1 else ''}")
    if left_out:
        yield f"left out: {', '.join(left_out)}"
    yield from report.complaints
    for choice in choices(report.records):
        yield f"one tick is {choice.cadence} ({len(choice.series):,} series):"
        yield from (f"  {term}: {value}" for term, value in choice.lines)
    yield NEVER_CHANGED
    order = ranked(report.records)
    for record in order[:LISTED]:
        yield f"{record.name}: {sentence(record)}."
        yield from (f"  looking back at all of it: {remark}" for remark in report.remarks.get(record.name, ()))
        if record.undeclared:
            yield f"  looking back at all of it: {season_hint(record)}"
    if len(order) > LISTED:
        yield f"and {len(order) - LISTED:,} more series in the report"
    for section in report.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    """A section in lines; the columns of its tables are aligned."""
    yield ""
    yield section.title
    yield from (f"  {line}" for line in section.words)
    for table in section.tables:
        widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
        for row in table:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from (f"  Limit: {line}" for line in section.limits)
