"""What was read, chosen and found, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from sentinel.report import Report, choices, ranked, sentence

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
    yield from (f"{record.name}: {sentence(record)}." for record in order[:LISTED])
    if len(order) > LISTED:
        yield f"and {len(order) - LISTED:,} more series in the report"
