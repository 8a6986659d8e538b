"""The answers made of a snapshot: pages, which templates put into words and bars, and JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from math import atanh, isnan
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from sentinel import __version__
from sentinel.domain.channels import CHANNELS
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.drills import DrillView
from sentinel.domain.metrics import LEVEL
from sentinel.domain.printing import for_json
from sentinel.domain.spans import duration_in_words, moment_in_words, moment_iso, number_in_words, threshold_label
from sentinel.domain.states import RuleView, SeriesView, SourceStatus, Spectrogram, State
from sentinel.pipeline.fleet import rank_by_e_value
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text import claims, words
from sentinel.text.checks import checks_in_words
from sentinel.text.events import declared_in_words, drill_in_words
from sentinel.text.receipts import moment
from sentinel.views.web.downloads import Observations
from sentinel.views.web.pictures import draw_sparks, events_of

STATIC = Path(__file__).parent / "static"
ROWS, SITES, PICTURES, EVENTS = 100, 50, 24, 50
"""Series, sites and spectrograms per page; events of one series."""
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
    is_ending: Callable[[], bool] = lambda: False
    """True once the daemon was told to end: its time is for its state then, not for pages."""
    observations: Observations = lambda _: nullcontext(iter(()))
    """Opens what the journal keeps of the series of that name."""
    drill: Callable[[], DrillView] = DrillView
    """The present drill, or the last one."""
    explain: Callable[[str], str] | None = None
    """Explains the alarm of that id in lines, computed anew from the journal."""
    failures: Callable[[], Mapping[str, str]] = dict
    """Why the last try failed, of each receiver with which it did."""
    history_series: int = 1_000
    """Series of which a history is kept for pictures."""
    state_dir: str = "DIR"
    """The state folder, for commands that a page names."""


class Query(NamedTuple):
    """The rows of the fleet that a reader asks for, as they stand in an address."""

    q: str = ""
    """Text in the name."""
    state: str = ""
    source: str = ""
    order: str = "alarm"
    first: int = 0

    def link(self, **changes: str | int) -> str:
        """Give the address of the same page with these changes, of other rows from the first one on."""
        asked: dict[str, Any] = self._asdict() | {"first": 0} | changes
        said = {name: value for name, value in asked.items() if value != Query._field_defaults[name]}
        return f"/?{urlencode(said, errors='replace')}" if said else "/"


ORDERS = {
    "alarm": "the most alarming", "fleet": "the largest e-value", "name": "by name", "recovery": "the slowest recovery",
    "lag1": "the largest lag-1", "evidence": "the most evidence", "oldest": "the longest without an observation",
}  # fmt: skip
"""Words for the series that come first, by the order."""


def fleet(access: Access, clock: Clock, query: Query) -> HTMLResponse:
    """Show series: counts, the rows that were asked for, the first spectrograms."""
    snapshot, first = access.snapshot(), query.first
    columns = snapshot.fleet()
    wanted = State(query.state) if query.state else None
    by_e_value = query.order == "fleet"
    names = columns.choose(query.q, wanted, query.source, "alarm" if by_e_value else query.order)
    ranking = rank_by_e_value(snapshot.names(), snapshot.e_values()) if by_e_value else []
    ranks = {one.name: one for one in ranking}
    if by_e_value:
        among = set(names)
        names = [name for name in ranks if name in among]
    views = list(snapshot.views_of(names[first : first + ROWS]))
    if query.order == "alarm":
        # By name within a state: rows that change places with every tick cannot be read.
        views.sort(key=lambda view: (ORDER.index(view.state), view.name))
    sites = sorted(snapshot.sites(), key=lambda site: ORDER.index(site.state))
    return render(
        "fleet.html", views=views, fleet=by_e_value, ranks=ranks, level=LEVEL,
        discoveries=sum(one.discovered for one in ranking), query=query, orders=ORDERS, states=ORDER,
        source_names=sorted(columns.sources), sparks=draw_sparks(snapshot, [view.name for view in views]),
        pictures=_pictures(snapshot, views[:PICTURES]), total=len(snapshot), found=len(names), first=first, rows=ROWS,
        without_lines=max(0, len(snapshot) - access.history_series), history_series=access.history_series,
        sites=sites[:SITES], further_sites=max(0, len(sites) - SITES), **_summary(access, snapshot, clock),
    )  # fmt: skip


def _summary(access: Access, snapshot: Snapshot, clock: Clock) -> dict[str, Any]:
    """Collect the facts about the whole fleet that stand above everything else."""
    totals = dict.fromkeys(ORDER, 0)
    for (_, state, _), number in snapshot.counts().items():
        totals[state] += number
    age = (clock.now_us() - snapshot.taken_us) / MICROSECONDS
    sources = [one for one in access.sources() if one.has_answered or one.in_flight_us]
    return {
        "totals": [(state.value, number, MEANINGS[state]) for state, number in totals.items()],
        "unjudged": _count_unjudged(snapshot),
        "series_count": len(snapshot),
        "held": sum(snapshot.held_counts().values()),
        "age": "just now" if age < 1 else f"{duration_in_words(round(age))} ago",
        "not_ready": access.not_ready(),
        "restart_required": access.restart_required(),
        "catching_up": sorted(one.name for one in sources if one.catching_up),
        "failing": sorted(one.name for one in sources if not one.up),
        "source_count": len(sources),
        "budgets": snapshot.false_alarms_a_day(),
    }


def sources(access: Access) -> HTMLResponse:
    """Show the facts about each source that has answered or failed."""
    found = sorted((one for one in access.sources() if one.has_answered or one.in_flight_us), key=lambda one: one.name)
    return render("sources.html", sources=found)


def status(access: Access, clock: Clock) -> HTMLResponse:
    """Show whether the daemon can be relied on."""
    snapshot = access.snapshot()
    newest = [one.newest_us for one in access.sources() if one.newest_us is not None]
    return render(
        "status.html", newest_us=max(newest, default=None), state_dir=access.state_dir,
        drill=drill_in_words(access.drill()), receivers=access.failures(),
        **_summary(access, snapshot, clock),
    )  # fmt: skip


def _count_unjudged(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    """Count the series with an open alarm that are blind or learn again, by the severity of their gravest one."""
    found: Counter[tuple[str, str]] = Counter()
    for view in snapshot.with_open_alarm():
        if view.state not in (State.WARNING, State.CRITICAL):
            severities = {rule.severity for rule in view.rules if rule.alarm_id}
            found["critical" if "critical" in severities else "warning", view.state.value] += 1
    return sorted((severity, state, number) for (severity, state), number in found.items())


def series(access: Access, snapshot: Snapshot, view: SeriesView) -> HTMLResponse:
    """Show one series."""
    mine = events_of(snapshot, access.events(), view.name)
    declared = [declared_in_words(event) for event in snapshot.declared(view.name)[:EVENTS]]
    return render(
        "series.html", v=view, pictures=_pictures(snapshot, [view]), events=mine[::-1][:EVENTS], declared=declared,
        counterpart=snapshot.counterpart(view.name),
    )  # fmt: skip


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


ROOT: ContextVar[str] = ContextVar("root", default="")
"""Path before every address of the pages, of the request that is being answered (`web.path`)."""

_environment = Environment(
    loader=PackageLoader("sentinel.views.web"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    autoescape=select_autoescape(default=True, default_for_string=True),
)  # fmt: skip
_environment.globals |= {
    "version": __version__,
    "root": ROOT.get,
    "css": _stamp("page.css"),
    "chart_css": _stamp("uplot/uPlot.min.css"),
    "script": _stamp("page.js"),
    "icon": _stamp("favicon.svg"),
    "place": _place,
    "fill": _fill,
    "spectrum": _spectrum,
    "measures": [measure for channel in CHANNELS for measure in channel.measures],
    "claims": claims,
    "checks_in_words": checks_in_words,
    "words": words,
}
_environment.filters |= {
    "moment": moment_in_words,
    "when": lambda event: moment(event, event.get("time_us")),
    "duration": duration_in_words,
    "threshold": threshold_label,
    "amount": number_in_words,
    "path": lambda name: quote(name, safe="/", errors="replace"),
}

_SAME = (
    "name", "source", "cadence_seconds", "half_life_ticks", "ticks", "missing_ticks", "warm_up_left", "value", "unit",
    "residual", "recovery_seconds", "recovery_low_seconds", "recovery_high_seconds", "period_seconds", "evidence",
    "e_value", "windows", "tie_share", "left_out", "fill_values", "values_left_out", "checks_unable",
    "thresholds", "readings", "held",
)  # fmt: skip
_SAME_OF_RULES = (
    "kind", "label", "side", "relative", "threshold", "baseline_left", "baseline_disagrees", "alpha", "severity",
    "evidence", "remarks", "held",
)  # fmt: skip
"""Fields that JSON names and gives as views do."""


def series_as_json(view: SeriesView) -> dict[str, object]:
    """Give one series. Null is not ready, and of the recovery time not known; `recovery_high_seconds` alone is null
    where the band is open."""
    fields = {name: getattr(view, name) for name in _SAME} | view.estimates._asdict()
    del fields["period"]
    fields |= dict.fromkeys([name for name in fields if name.startswith("recovery_") and view.hides_recovery])
    fields |= {
        "labels": dict(view.labels),
        "state": view.state.value,
        "reason": view.reason.value,
        "since": moment_iso(view.since_us),
        "time": moment_iso(view.time_us),
        "recovery_text": words.recovery_in_words(view),
        "window_ticks": view.window_ticks or None,
        "window_begun": moment_iso(view.window_us),
        "checks": [count._asdict() for count in view.checks],
        "rules": [_rule_as_json(rule) for rule in view.rules],
    }
    return {name: for_json(value) for name, value in fields.items()}


def _rule_as_json(rule: RuleView) -> dict[str, object]:
    return {name: for_json(getattr(rule, name)) for name in _SAME_OF_RULES} | {
        "text": words.rule_in_words(rule.kind, rule.label),
        "alarm": rule.alarm_id or None,
        "since": moment_iso(rule.since_us),
    }
