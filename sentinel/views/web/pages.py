"""The answers made of a snapshot: pages, which templates put into words and bars, and JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import atanh, isfinite, isnan, log10
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray
from starlette.responses import HTMLResponse

from sentinel import __version__
from sentinel.domain.channels import CHANNELS
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.metrics import LEVEL
from sentinel.domain.spans import duration_in_words, moment_in_words, moment_iso, number_in_words, threshold_label
from sentinel.domain.states import RuleView, SeriesView, SourceStatus, Spectrogram, State
from sentinel.pipeline.history import MISSING, SCALE
from sentinel.pipeline.snapshot import Snapshot, rank_by_e_value
from sentinel.text import claims, words
from sentinel.text.declared import declared_in_words

STATIC = Path(__file__).parent / "static"
ROWS, SITES, PICTURES, EVENTS = 200, 50, 24, 10
"""Series, sites, spectrograms and declared events per page."""
MEANINGS = {
    State.CRITICAL: "evidence passed a critical alarm line",
    State.WARNING: "evidence passed an alarm line",
    State.BLIND: "cannot be judged",
    State.WATCHING: "no alarm",
    State.LEARNING: "no verdict yet",
}
"""Every state, the most urgent first."""
ORDER = list(MEANINGS)
BAR_LIMIT = atanh(0.99)
"""Ends of a bar of lag-1 autocorrelation, in atanh."""
SPECTRUM_LIMIT = 8.0
"""Reading, in null standard deviations, that fills a bar of the spectrum."""


@dataclass(slots=True)
class Access:
    """Everything that the server may read, given by the daemon; each call gives the present one."""

    snapshot: Callable[[], Snapshot]
    """The last picture of all series."""
    sources: Callable[[], Sequence[SourceStatus]]
    """Facts about each source."""
    not_ready: Callable[[], Sequence[str]]
    """Reasons not to rely on what is shown, one sentence each; none if there are none."""
    settings_text: Callable[[], str]
    """The settings in force, without secrets."""
    metrics: Callable[[str], tuple[bytes, str] | None]
    """Body and content type for a scraper that sends this Accept header; None until the state is restored."""
    events: Callable[[], Sequence[Mapping[str, Any]]] = lambda: ()
    """The newest events of alarms as they were sent, in their order."""
    restart_required: Callable[[], Sequence[str]] = lambda: ()
    """Sections of the settings that were changed and are not in force before a restart."""
    state_dir: str = "DIR"
    """The state folder, for commands that a page names."""


def status(access: Access, clock: Clock, first: int, fleet: bool) -> HTMLResponse:
    """Show all series: counts, the table from row `first` on, the first spectrograms; `fleet` ranks by e-values."""
    snapshot = access.snapshot()
    ranking = rank_by_e_value(snapshot.names(), snapshot.e_values()) if fleet else []
    ranks = {one.name: one for one in ranking[first : first + ROWS]}
    if fleet:
        views = list(snapshot.views_of(list(ranks)))
    else:
        views = list(snapshot.views(first + ROWS, first))
        # By name within a state: rows that change places with every tick cannot be read.
        views.sort(key=lambda view: (ORDER.index(view.state), view.name))
    totals = dict.fromkeys(ORDER, 0)
    for (_, state, _), number in snapshot.counts().items():
        totals[state] += number
    sites = sorted(snapshot.sites(), key=lambda site: ORDER.index(site.state))
    age = (clock.now_us() - snapshot.taken_us) / MICROSECONDS
    return render(
        "status.html", views=views, fleet=fleet, ranks=ranks, discoveries=sum(one.discovered for one in ranking),
        level=LEVEL, pictures=_pictures(snapshot, views[:PICTURES]), total=len(snapshot), first=first, rows=ROWS,
        totals=[(state.value, number, MEANINGS[state]) for state, number in totals.items()],
        unjudged=_count_unjudged(snapshot),
        held=sum(snapshot.held_counts().values()),
        age="just now" if age < 1 else f"{duration_in_words(round(age))} ago", not_ready=access.not_ready(),
        restart_required=access.restart_required(),
        sites=sites[:SITES], further_sites=max(0, len(sites) - SITES),
        sources=sorted(
            (one for one in access.sources() if one.has_answered or one.in_flight_us), key=lambda one: one.name
        ),
        settings_text=access.settings_text(), budgets=snapshot.false_alarms_a_day(),
    )  # fmt: skip


def _count_unjudged(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    """Count the series with an open alarm that are blind or learn again, by the severity of their gravest one."""
    found: Counter[tuple[str, str]] = Counter()
    for view in snapshot.with_open_alarm():
        if view.state not in (State.WARNING, State.CRITICAL):
            severities = {rule.severity for rule in view.rules if rule.alarm_id}
            found["critical" if "critical" in severities else "warning", view.state.value] += 1
    return sorted((severity, state, number) for (severity, state), number in found.items())


def series(snapshot: Snapshot, view: SeriesView) -> HTMLResponse:
    """Show one series."""
    declared = [declared_in_words(event) for event in snapshot.declared(view.name)[:EVENTS]]
    return render("series.html", v=view, pictures=_pictures(snapshot, [view]), declared=declared)


def problem(code: int, detail: str, headers: Mapping[str, str] | None) -> HTMLResponse:
    """Say in one sentence what went wrong."""
    return render("problem.html", code, headers, code=code, detail=detail)


def render(
    template: str, status_code: int = 200, headers: Mapping[str, str] | None = None, **values: object
) -> HTMLResponse:
    """Fill in a template."""
    text = _environment.get_template(template).render(values)
    return HTMLResponse(text.encode("utf-8", "replace"), status_code, headers)


def _pictures(snapshot: Snapshot, views: Iterable[SeriesView]) -> dict[str, Spectrogram]:
    """Collect the spectrograms of the series that have one, by name."""
    found = ((view.name, snapshot.spectrogram(view.name)) for view in views)
    return {name: picture for name, picture in found if picture is not None}


def _place(lag1: float) -> float:
    """Give the place of a lag-1 autocorrelation on a bar 160 units wide, evenly spaced in atanh."""
    return round(80 * (1 + atanh(min(0.99, max(-0.99, lag1))) / BAR_LIMIT), 1)


def _fill(share: float) -> float:
    """Give the length of a bar of evidence, 158 units wide, that is filled to `share` in [0, 1]; 0 for NaN."""
    return 0.0 if isnan(share) else round(158 * share, 1)


def _spectrum(view: SeriesView, width: int = 960, height: int = 120) -> list[dict[str, float | str]]:
    """Give one bar per detector, in user units of the drawing, and the side of zero that its reading lies on."""
    step = width / max(len(view.thresholds), 1)
    bars: list[dict[str, float | str]] = []
    for index, (threshold, reading) in enumerate(zip(view.thresholds, view.readings, strict=True)):
        ready = not isnan(reading)
        length = max(1.0, round((min(1.0, abs(reading) / SPECTRUM_LIMIT) if ready else 0.04) * height / 2, 1))
        bars.append({
            "x": round(index * step + step * 0.12, 1),
            "y": round(height / 2 - (length if not ready or reading > 0 else 0), 1),
            "width": round(step * 0.76, 1),
            "height": length,
            "centre": round((index + 0.5) * step, 1),
            "threshold": threshold,
            "reading": f"{reading:+.1f}" if ready else "not ready",
            "side": "none" if not ready else "above" if reading > 0 else "below",
        })  # fmt: skip
    return bars


def _stamp(name: str) -> str:
    """Give the address of a static file, which changes with its content: a browser never mixes two releases."""
    return f"/static/{name}?{sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


_environment = Environment(
    loader=PackageLoader("sentinel.views.web"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    autoescape=select_autoescape(default=True, default_for_string=True),
)  # fmt: skip
_environment.globals |= {
    "version": __version__,
    "css": _stamp("page.css"),
    "script": _stamp("page.js"),
    "icon": _stamp("favicon.svg"),
    "place": _place,
    "fill": _fill,
    "spectrum": _spectrum,
    "measures": [measure for channel in CHANNELS for measure in channel.measures],
    "claims": claims,
    "words": words,
}
_environment.filters |= {
    "moment": moment_in_words,
    "duration": duration_in_words,
    "threshold": threshold_label,
    "amount": number_in_words,
    "path": lambda name: quote(name, safe="/", errors="replace"),
}

_SAME = (
    "name", "source", "cadence_seconds", "half_life_ticks", "ticks", "missing_ticks", "warm_up_left", "value", "unit",
    "residual", "recovery_seconds", "recovery_low_seconds", "recovery_high_seconds", "period_seconds", "evidence",
    "e_value", "windows", "tie_share", "left_out", "fill_values", "values_left_out", "thresholds",
    "readings", "held",
)  # fmt: skip
_SAME_OF_RULES = (
    "kind", "label", "side", "relative", "threshold", "baseline_left", "baseline_disagrees", "alpha", "severity",
    "evidence", "remarks", "held",
)  # fmt: skip
"""Fields that JSON names and gives as views do."""


def series_as_json(view: SeriesView) -> dict[str, object]:
    """Give one series. Null is not ready; `recovery_high_seconds` alone is null where the band is open."""
    fields = {name: getattr(view, name) for name in _SAME} | view.estimates._asdict()
    del fields["period"]
    fields |= {
        "labels": dict(view.labels),
        "state": view.state.value,
        "reason": view.reason.value,
        "since": moment_iso(view.since_us),
        "time": moment_iso(view.time_us),
        "recovery_text": words.recovery_in_words(view),
        "window_ticks": view.window_ticks or None,
        "window_begun": moment_iso(view.window_us),
        "rules": [_rule_as_json(rule) for rule in view.rules],
    }
    return {name: _plain(value) for name, value in fields.items()}


def _rule_as_json(rule: RuleView) -> dict[str, object]:
    return {name: _plain(getattr(rule, name)) for name in _SAME_OF_RULES} | {
        "text": words.rule_in_words(rule.kind, rule.label),
        "alarm": rule.alarm_id or None,
        "since": moment_iso(rule.since_us),
    }


def spectrogram_as_json(view: SeriesView, picture: Spectrogram) -> dict[str, object]:
    """Give one series' history: readings per column in `1/scale` null standard deviations, `missing` = not ready."""
    floors = [log10(rule.alpha) for rule in view.rules if rule.alpha > 0]
    return {
        "name": view.name,
        "scale": SCALE,
        "missing": MISSING,
        "thresholds": picture.thresholds.tolist(),
        "time_us": picture.time_us.tolist(),
        "readings": picture.readings.tolist(),
        **{name: _line_as_json(getattr(picture, name)) for name in ("lag1", "low", "high", "evidence")},
        "evidence_floor": max([*floors, claims.FLOOR]),
        "rules": sorted({rule.threshold for rule in view.rules if rule.kind == "lag1" and isfinite(rule.threshold)}),
    }


def _line_as_json(line: NDArray[np.float32]) -> object:
    """Give a line with four decimals, null for NaN."""
    return _plain(tuple(np.round(line.astype(np.float64), 4).tolist()))


def _plain(value: object) -> object:
    """Replace numbers that JSON has not, NaN and infinity, by null."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
