"""Checks of settings that are each fine but may not fit together; every check yields the faults it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Protocol

from sentinel.config.alarms import LARGEST_ALPHA, AlarmSettings
from sentinel.config.faults import Fault, or_else
from sentinel.config.process import DaemonSettings
from sentinel.config.series import SHORTEST_HALF_LIFE_TICKS, BankSettings, SeriesSettings
from sentinel.config.sources import CsvSource, SimulateSource, Source

STAND_IN = "x"
"""Stands for a '*' where a check makes a name of a pattern."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def repeated_names(parts: Iterable[_Named]) -> Iterator[Fault]:
    """Find names that stand twice: metrics and cursors tell parts apart by their names."""
    seen: set[str] = set()
    for position, part in enumerate(parts):
        if part.name in seen:
            yield Fault((position, "name"), f"'{part.name}' is taken by an earlier entry; names are unique")
        seen.add(part.name)


def repeated_simulated_series(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find simulated systems that would write the same series."""
    seen: dict[str, str] = {}
    for position, source in enumerate(sources):
        if not isinstance(source, SimulateSource):
            continue
        series = source.series or source.name
        if series in seen:
            key = "series" if source.series else "name"
            message = f"'{series}' is the series of source '{seen[series]}' already; each series has one source"
            yield Fault((position, key), message)
        seen.setdefault(series, source.name)


def hidden_series(series: Iterable[SeriesSettings]) -> Iterator[Fault]:
    """Find entries that are never used, since an earlier one matches everything that they match."""
    earlier: set[str] = set()
    for position, entry in enumerate(series):
        if entry.match in earlier:
            message = f"'{entry.match}' has an entry already; the first match wins; once is allowed"
            yield Fault((position, "match"), message)
        elif "*" in earlier:
            message = f"'{entry.match}' is never reached behind '*'; the first match wins; put it before"
            yield Fault((position, "match"), message)
        earlier.add(entry.match)


def alarm_conflicts(alarms: tuple[AlarmSettings, ...]) -> Iterator[Fault]:
    """Find rules that stand twice, and critical rules that are raised no later than their warning."""
    for position, rule in enumerate(alarms):
        key = {"spread": "ratio", "weighted": "channels"}.get(rule.kind, "threshold")
        twins = [other for other in alarms if (other.match, other.kind) == (rule.match, rule.kind)]
        if any(other.label == rule.label for other in alarms[:position] if other in twins):
            message = f"{rule.label} has a rule for '{rule.match}' already; one rule per match and {key}"
            yield Fault((position, key), message)
            continue
        wider = [other for other in alarms[:position] if other.match == "*" and other.kind == rule.kind]
        if any(other.label == rule.label for other in wider):
            message = (
                f"{rule.label} has a rule for every series before, so this one is never used; "
                f"put the rule for '{rule.match}' first, or give it another {key}"
            )
            yield Fault((position, key), message)
            continue
        for other in twins:
            if (rule.severity, other.severity) == ("critical", "warning") and _raised_no_later(rule, other):
                move = "lower" if rule.side == "below" else "raise"
                message = (
                    f"a critical rule at {rule.label} is raised no later than the warning "
                    f"at {other.label} for '{rule.match}'; {move} its threshold or lower its alpha"
                )
                yield Fault((position, "threshold"), message)


def _raised_no_later(rule: AlarmSettings, other: AlarmSettings) -> bool:
    """Compare two rules: evidence grows faster at a lower threshold, and at a larger alpha less of it is needed."""
    if not (isinstance(rule.threshold, float) and isinstance(other.threshold, float)) or rule.side != other.side:
        return False
    parts = rule.share / rule.shared_by, other.share / other.shared_by
    if rule.alpha is not None and other.alpha is not None:
        as_lenient = rule.alpha * parts[0] >= other.alpha * parts[1]
    elif rule.false_alarms is not None and other.false_alarms is not None:
        as_lenient = rule.false_alarms.per_year * parts[0] >= other.false_alarms.per_year * parts[1]
    else:
        return False  # per tick against per year: depends on a cadence that need not be known
    sign = -1.0 if rule.side == "below" else 1.0
    return as_lenient and sign * rule.threshold <= sign * other.threshold


def missing_banks(series: Iterable[SeriesSettings], banks: Mapping[str, BankSettings]) -> Iterator[Fault]:
    """Find banks that a series names but that are not defined."""
    for position, entry in enumerate(series):
        if entry.bank is not None and entry.bank not in banks:
            message = f"there is no bank '{entry.bank}'; {or_else(entry.bank, banks, 'banks')}"
            yield Fault(("series", position, "bank"), message)


def unusable_counterparts(series: tuple[SeriesSettings, ...]) -> Iterator[Fault]:
    """Find counterparts that are the series itself, or that have a counterpart of their own."""
    for position, entry in enumerate(series):
        stand_in = entry.match.replace("*", STAND_IN)
        name = entry.counterpart_of(stand_in)
        if name is None:
            continue
        if name == stand_in:
            message = f"'{entry.counterpart}' is the series itself; the name of another one is allowed"
            yield Fault((position, "counterpart"), message)
            continue
        at = next((i for i, other in enumerate(series) if fnmatchcase(name, other.match)), None)
        if at is None:
            continue
        own, shown = series[at], entry.counterpart
        if own.counterpart is not None and at == position:
            message = (
                f"'{shown}' is matched by '{entry.match}' itself; put an entry for it before, without a counterpart"
            )
            yield Fault((position, "counterpart"), message)
        elif own.counterpart is not None:
            message = f"'{shown}' has the counterpart '{own.counterpart}' itself; a counterpart has none"
            yield Fault((position, "counterpart"), message)
        elif entry.cadence and own.cadence and entry.cadence != own.cadence:
            message = f"'{shown}' has cadence {own.cadence}, not {entry.cadence}; the same cadence is needed"
            yield Fault((position, "counterpart"), message)


def short_half_lives(
    series: Iterable[SeriesSettings], banks: Mapping[str, BankSettings], default: str
) -> Iterator[Fault]:
    """Find half-lives of fewer than 3 ticks, wherever the cadence is known."""
    found: set[tuple[str, str]] = set()
    for entry in series:
        name = entry.bank or default
        if entry.cadence is None or name not in banks:
            continue
        for key in ("half_life", "level_half_life", "scale_half_life", "spread_half_life"):
            half_life = getattr(banks[name], key)
            if half_life is None or (name, key) in found:
                continue
            ticks = half_life.ticks(entry.cadence)
            if ticks < SHORTEST_HALF_LIFE_TICKS:
                found.add((name, key))
                message = (
                    f"{half_life} spans {ticks:.3g} ticks of cadence {entry.cadence} of series "
                    f"'{entry.match}'; at least 3 are needed; raise it, or give them another bank"
                )
                yield Fault(("banks", name, key), message)


def large_budgets(series: Iterable[SeriesSettings], alarms: Iterable[AlarmSettings]) -> Iterator[Fault]:
    """Find budgets of more than one false alarm in 10 ticks, wherever the cadence is known."""
    for position, rule in enumerate(alarms):
        if rule.false_alarms is None:
            continue
        for entry in series:
            if entry.cadence is None or not (rule.match == entry.match or fnmatchcase(entry.match, rule.match)):
                continue
            alpha = rule.uncut_alpha(entry.cadence)
            if alpha > LARGEST_ALPHA:
                message = (
                    f"{rule.false_alarms} is alpha {alpha:.3g} per tick of cadence {entry.cadence} of series "
                    f"'{entry.match}'; at most {LARGEST_ALPHA:g} is allowed"
                )
                yield Fault(("alarms", position, "false_alarms"), message)
                break


def oversized_reads(sources: Iterable[Source], daemon: DaemonSettings) -> Iterator[Fault]:
    """Find sources that may read more in one go than the inbox can hold."""
    for position, source in enumerate(sources):
        if isinstance(source, CsvSource) and source.max_observations > daemon.inbox_observations:
            message = (
                f"{source.max_observations} is more than daemon.inbox_observations; "
                f"at most {daemon.inbox_observations} are allowed"
            )
            yield Fault(("sources", position, "max_observations"), message)
