"""Settings of series, of their banks of detectors, and of sites that several series belong to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, WithJsonSchema

from sentinel.config import values
from sentinel.config.checks import CheckSettings
from sentinel.domain.labels import NAME, chooses_by_label, fits, read_key, write_key
from sentinel.domain.spans import HalfLife, print_duration, print_season

SHORTEST_HALF_LIFE_TICKS = 3.0
LONGEST_HALF_LIFE_TICKS = 1e5
SHORTEST_SEASON_TICKS = 4
DEFAULT_BANK = "default"
"""Name of the bank of all series that name none."""


def _has_usual_length(half_life: HalfLife) -> bool:
    return not half_life.fixed_ticks or SHORTEST_HALF_LIFE_TICKS <= half_life.fixed_ticks <= LONGEST_HALF_LIFE_TICKS


BankHalfLife: TypeAlias = Annotated[
    values.WrittenHalfLife, AfterValidator(values.require(_has_usual_length, "a half-life is 3 to 100000 ticks"))
]


def _write_counterpart(value: object) -> object:
    if isinstance(value, Mapping):
        if NAME in value or not all(isinstance(part, str) and part for each in value.items() for part in each):
            raise ValueError("the name of a series, or the labels in which it differs, such as {lake: paul}, is needed")
        return write_key("", value)
    return value


Counterpart: TypeAlias = Annotated[
    values.Text,
    BeforeValidator(_write_counterpart),
    WithJsonSchema({"anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string", "minLength": 1}},
    ]}),
]  # fmt: skip
Lag1: TypeAlias = Annotated[float, Field(gt=-1, lt=1)]


class SeriesSettings(values.Part):
    """Grid and conditioning of series; the first entry whose match fits a name wins."""

    renamed: ClassVar[Mapping[str, str]] = {"reference": "counterpart"}
    retired: ClassVar[Mapping[str, float | None]] = {"coarse_share": None}

    match: values.Pattern = "*"
    """Series names, with * ? [abc] as in file names; * also spans '/'. Or labels with their patterns, such as {site:
    north, variable: "*"}, __name__ for the name; a series needs each of them, and may have more."""
    cadence: values.WrittenCadence | None = None
    """Spacing of the grid; null = learnt from the first 50 event times."""
    lateness: Annotated[values.Duration, Field(ge=0)] = 0
    """Time that a tick waits for late observations before it closes."""
    aggregate: Literal["last", "mean"] = "last"
    """The one value that several observations in one tick become."""
    resolution: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Values are rounded to multiples of this before they are judged, where they were written with more digits than the
    instrument has; null = as they came. Coarse values need no declaration."""
    max_gap: values.PositiveDuration | None = None
    """A longer gap starts the series anew in `learning`; null = 2 half-lives of its bank."""
    across_gaps: Literal["restart", "keep"] = "restart"
    """Memory over a gap longer than max_gap: restart = nothing; keep = the scale, the season and the baseline of the
    spread, for a sensor that rests in winter: level, lag 1 and evidence start anew."""
    season: tuple[values.PositiveSeason, ...] = ()
    """Known periods that are taken out, such as [1d, 1y]."""
    unit: Annotated[str, Field(max_length=40)] = ""
    """Unit of the values, such as `mg/L`, shown wherever a value is; empty = not known. It changes no number."""
    range: tuple[float | None, float | None] | None = None
    """Lowest and highest possible value, either may be null; a value outside makes the series blind."""
    checks: CheckSettings | None = None
    """Checks of each value, with the names and flags of QARTOD, beside what is watched always."""
    stuck_after_ticks: Annotated[int, Field(ge=2)] = 20
    """The same value this many ticks in a row makes the series blind, unless the share of ties explains it."""
    blind_after_missing_ticks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Missing ticks in a row that make the series blind; null = a tenth of max_gap, at least 3."""
    implausible_scales: Annotated[float, Field(ge=10, le=1e9)] = 1000.0
    """A value farther from the level than this many scales counts as missing; three in a row make the series blind."""
    coarse_steps: Annotated[float, Field(ge=0.5, le=1e9)] = 2.0
    """Scales: a series is blind if two values in a row that differ lie farther apart on average."""
    stale_after: values.PositiveDuration | None = None
    """Without an observation for this long the series is blind; null = 3 cadences + lateness."""
    bank: values.Name | None = None
    """Name of its bank; null = the bank named default if there is one, else half-lives by cadence."""
    counterpart: Annotated[Counterpart | None, Field(validation_alias=AliasChoices("counterpart", "reference"))] = None
    """Name of another series that it is compared with as well; a * stands for what the * in match stood for. Or labels
    in which that one differs, such as {lake: paul}."""

    def _conflicts(self) -> Iterator[values.Fault]:
        name = self.counterpart or ""
        if any(sign in name for sign in "?[]") or name.count("*") > 1:
            message = f"'{name}' is a pattern; the name of a series is allowed, with one '*' at most"
            yield values.Fault(("counterpart",), message)
        elif "*" in name and chooses_by_label(self.match):
            message = f"'{name}' has a '*', and match has labels; name those in which the counterpart differs"
            yield values.Fault(("counterpart",), message)
        elif "*" in name and (self.match.count("*") != 1 or any(sign in self.match for sign in "?[]")):
            message = f"'{name}' has a '*', so match needs exactly one '*' and no '?' or '['; '{self.match}' came"
            yield values.Fault(("counterpart",), message)
        low, high = self.range or (None, None)
        if low is not None and high is not None and low >= high:
            yield values.Fault(
                ("range",), f"[{low:g}, {high:g}]; the lowest value comes first and is below the highest"
            )
        for position, season in enumerate(self.season):
            if season in self.season[:position]:
                yield values.Fault(
                    ("season", position), f"{print_season(season)} is there twice; name each season once"
                )
            ticks = season / self.cadence.microseconds if self.cadence is not None else math.inf
            if ticks < SHORTEST_SEASON_TICKS:
                message = f"{print_season(season)} spans {ticks:.3g} ticks of cadence {self.cadence}"
                yield values.Fault(("season", position), f"{message}; at least {SHORTEST_SEASON_TICKS} are needed")
        for key, duration in (("max_gap", self.max_gap), ("stale_after", self.stale_after)):
            if duration is not None and self.cadence is not None and duration < self.cadence.microseconds:
                message = f"{print_duration(duration)} is shorter than a tick; at least {self.cadence} is needed"
                yield values.Fault((key,), message)
        if self.checks is not None and self.cadence is not None:
            yield from (
                values.Fault(("checks", *fault.path), fault.message) for fault in self.checks.faults_at(self.cadence)
            )

    def counterpart_of(self, name: str) -> str | None:
        """Name the counterpart of the series `name`, which the entry matches; None if it has none."""
        if self.counterpart is None:
            return None
        given, labels = read_key(self.counterpart)
        if labels and not given:
            own_name, own = read_key(name)
            return write_key(own_name, {**own, **labels})
        if "*" not in self.counterpart:
            return self.counterpart
        before, _, after = self.match.partition("*")
        return self.counterpart.replace("*", name[len(before) : len(name) - len(after)])

    def may_have_counterpart(self, name: str) -> bool:
        """True if `name` is that of the counterpart of a series which the entry may match."""
        given, labels = read_key(self.counterpart or "")
        if labels and not given:
            return labels.items() <= read_key(name)[1].items()
        before, star, after = (self.counterpart or "").partition("*")
        return name.startswith(before) and name[len(before) :].endswith(after) if star else name == self.counterpart


class BankSettings(values.Part):
    """A bank of detectors: how long it remembers, and on which thresholds it reads."""

    renamed: ClassVar[Mapping[str, str]] = {"reference_ticks": "baseline_ticks"}
    retired: ClassVar[Mapping[str, float]] = {
        "input_weight": 1.5, "kappa": 1.5, "winsor": 3, "second_thresholds": 9, "season_bins": 24,
        "mean_half_life": 100,
    }  # fmt: skip
    """The budgets of false alarms were measured with these values; the detectors and the pipeline hold them."""

    preset: Literal["lake"] | None = None
    """Settings for a kind of record, where the keys below leave theirs out; lake = daily values of a season that starts
    cold: half-lives of 20, 3 (level) and 7 ticks (spread), the spread judged from the 15th value on, lag 1 from the
    30th."""
    half_life: BankHalfLife | None = None
    """Memory of the detectors, as a duration or as `70 ticks`; null = by cadence."""
    level_half_life: BankHalfLife | None = None
    """Memory of the level and trend that are taken out; null = by cadence."""
    warm_up_ticks: Annotated[int, Field(ge=20)] | None = None
    """Values in a row before readings and rules with a threshold; null = by half-life. The level and its first pairs
    take 60, so fewer count as 60 (not under a preset); slower needs 190 always."""
    thresholds: Annotated[int, Field(ge=3, le=256)] = 16
    """Number of detectors, evenly spaced in atanh of the lag-1 autocorrelation."""
    lowest: Lag1 = -0.95
    """Threshold of the lowest detector."""
    highest: Lag1 = 0.99
    """Threshold of the highest detector."""
    scale_half_life: BankHalfLife | None = None
    """Memory of the scale; null = two level half-lives."""
    season_memory: Annotated[float, Field(ge=1, le=1000)] | None = None
    """Periods in which half of a season is forgotten; null = 5, and of a short season as many as make 120 ticks."""
    spread_half_life: BankHalfLife | None = None
    """Memory of the spread; null = half_life."""
    baseline_ticks: Annotated[
        int, Field(ge=50, le=100_000, validation_alias=AliasChoices("baseline_ticks", "reference_ticks"))
    ] = 1000
    """Valid pairs of the baseline period, for rules that compare a series with its own past."""
    window_ticks: Annotated[int, Field(ge=50, le=1_000_000)] = 1000
    """Ticks of a window of the fleet ranking."""

    def _conflicts(self) -> Iterator[values.Fault]:
        if self.lowest >= self.highest:
            message = f"{self.lowest:g} is not below highest, {self.highest:g}; lower it or raise highest"
            yield values.Fault(("lowest",), message)


class SiteSettings(values.Part):
    """Several variables of one site: it alarms when at least k of its series have an open alarm."""

    name: values.Name
    """Name of the site in metrics, files and messages."""
    match: values.Pattern = "*"
    """Series of the site, by name with * ? [abc] or by labels; a series and its comparison with a counterpart count
    once."""
    k: Annotated[int, Field(ge=1)] = 2
    """Number of series that must have an open alarm."""
    kind: Literal["slower", "lag1", "modulus", "spread", "rise", "any"] = "any"
    """Which alarms count."""
    within: values.PositiveDuration | None = None
    """Longest time from the first to the last of those alarms; null = any time while they are open."""


def hidden_series(series: Iterable[SeriesSettings]) -> Iterator[values.Fault]:
    """Find entries that are never used, since an earlier one matches everything that they match."""
    earlier: list[str] = []
    for position, entry in enumerate(series):
        before = next((one for one in earlier if _covers(one, entry.match)), None)
        if entry.match in earlier:
            message = f"'{entry.match}' has an entry already; the first match wins; once is allowed"
            yield values.Fault((position, "match"), message)
        elif before is not None:
            message = f"'{entry.match}' is never reached behind '{before}'; the first match wins; put it before"
            yield values.Fault((position, "match"), message)
        earlier.append(entry.match)


def _covers(one: str, other: str) -> bool:
    """Tell if every name that fits the other pattern fits this one; False where that is not easy to say."""
    if one == "*" or "[" in one + other or chooses_by_label(one) or chooses_by_label(other):
        return one == "*"
    return all(fits(other.replace("?", "\0").replace("*", any_text), one) for any_text in ("", "\0", "\0\0"))


def _stand_in(match: str) -> str:
    """Make the key of a series that a pattern fits."""
    if not chooses_by_label(match):
        return match.replace("*", "x")
    name, labels = read_key(match.removesuffix("{}"))
    return write_key(name.replace("*", "x") or "x", {label: value.replace("*", "x") for label, value in labels.items()})


def unusable_counterparts(series: tuple[SeriesSettings, ...]) -> Iterator[values.Fault]:
    """Find counterparts that are the series itself, or that have a counterpart of their own."""
    for position, entry in enumerate(series):
        stand_in, shown = _stand_in(entry.match), entry.counterpart
        name = entry.counterpart_of(stand_in)
        if name is None:
            continue
        at = next((i for i, other in enumerate(series) if fits(name, other.match)), None)
        if name == stand_in:
            message = f"'{shown}' is the series itself; the name of another one is allowed"
        elif at is None:
            continue
        elif series[at].counterpart is not None and at == position:
            message = (
                f"'{shown}' is matched by '{entry.match}' itself; put an entry for it before, without a counterpart"
            )
        elif series[at].counterpart is not None:
            message = f"'{shown}' has the counterpart '{series[at].counterpart}' itself; a counterpart has none"
        elif entry.cadence and series[at].cadence and entry.cadence != series[at].cadence:
            message = f"'{shown}' has cadence {series[at].cadence}, not {entry.cadence}; the same cadence is needed"
        else:
            continue
        yield values.Fault((position, "counterpart"), message)


def missing_banks(series: Iterable[SeriesSettings], banks: Mapping[str, BankSettings]) -> Iterator[values.Fault]:
    """Find banks that a series names but that are not defined."""
    for position, entry in enumerate(series):
        if entry.bank is not None and entry.bank not in banks:
            message = f"there is no bank '{entry.bank}'; {values.or_else(entry.bank, banks, 'banks')}"
            yield values.Fault(("series", position, "bank"), message)


def short_half_lives(series: Iterable[SeriesSettings], banks: Mapping[str, BankSettings]) -> Iterator[values.Fault]:
    """Find half-lives of fewer than 3 ticks, wherever the cadence is known."""
    found: set[tuple[str, str]] = set()
    for entry in series:
        name, cadence = entry.bank or DEFAULT_BANK, entry.cadence
        if cadence is None or name not in banks:
            continue
        for key in ("half_life", "level_half_life", "scale_half_life", "spread_half_life"):
            half_life = getattr(banks[name], key)
            ticks = math.inf if half_life is None else half_life.ticks(cadence)
            if ticks < SHORTEST_HALF_LIFE_TICKS and (name, key) not in found:
                found.add((name, key))
                message = f"{half_life} spans {ticks:.3g} ticks of cadence {cadence} of series '{entry.match}'"
                message += "; at least 3 are needed; raise it, or give them another bank"
                yield values.Fault(("banks", name, key), message)
