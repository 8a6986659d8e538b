"""What the pages show: numbers of the snapshot turned into words, bars and links for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isnan
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from sentinel import __version__
from sentinel.domain.channels import CHANNELS
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.spelling import duration_in_words, moment_in_words, number_in_words, threshold_label
from sentinel.domain.states import SourceStatus, State
from sentinel.domain.views import RuleView, SeriesView, SiteView, Spectrogram
from sentinel.pipeline.snapshot import Ranking, Snapshot
from sentinel.text.claims import (
    baseline_in_words,
    evidence_against_budget,
    evidence_in_words,
    evidence_share,
    leading_rule,
    reason_in_words,
    remarks_in_words,
    rule_now_in_words,
    site_in_words,
    windows_in_words,
)
from sentinel.text.words import (
    alpha_in_words,
    budget_in_words,
    cycle_briefly,
    cycle_in_words,
    fading_in_words,
    lag1_in_words,
    recovery_band_in_words,
    recovery_in_words,
    spread_in_words,
)
from sentinel.views.web import numbers

ROWS = 200
"""Series per page of the table."""
SITES = 50
"""Sites on the page."""
PICTURES = 24
"""Spectrograms per page."""
ORDER = (State.CRITICAL, State.WARNING, State.BLIND, State.WATCHING, State.LEARNING)
MEANINGS = {
    State.CRITICAL: "evidence passed a critical alarm line",
    State.WARNING: "evidence passed an alarm line",
    State.BLIND: "cannot be judged",
    State.WATCHING: "below the alarm line",
    State.LEARNING: "no verdict yet",
}


def _stamp(name: str) -> str:
    """Address of a static file that changes with its content, so that a browser never mixes two releases."""
    content = (Path(__file__).parent / "static" / name).read_bytes()
    return f"/static/{name}?{sha256(content).hexdigest()[:12]}"


_environment = Environment(
    loader=PackageLoader("sentinel.views.web"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {
    "version": __version__,
    "css": _stamp("page.css"),
    "script": _stamp("page.js"),
    "icon": _stamp("favicon.svg"),
    "bars": numbers,
    "measures": [measure for channel in CHANNELS for measure in channel.measures],
}
_environment.filters |= {
    "moment": moment_in_words,
    "duration": duration_in_words,
    "threshold": threshold_label,
    "amount": number_in_words,
    "alpha": alpha_in_words,
    "path": lambda name: quote(name, safe="/", errors="replace"),
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One alarm rule in words."""

    rule: RuleView
    name: str
    share: float
    words: str
    number: str
    budget: str
    baseline: str
    remarks: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One series in words."""

    view: SeriesView
    reason: str
    lag1: str
    recovery: str
    recovery_band: str
    cycle: str
    cycle_briefly: str
    fading: str
    spread: str
    leading: RuleRow | None
    rules: tuple[RuleRow, ...]
    sentence: str
    pictured: bool


@dataclass(frozen=True, slots=True)
class SiteRow:
    """One site in words."""

    view: SiteView
    words: str
    counted: str


def status(
    request: Request,
    snapshot: Snapshot,
    sources: Sequence[SourceStatus],
    not_ready: Sequence[str],
    settings_text: str,
    clock: Clock,
    first: int,
    fleet: bool,
) -> HTMLResponse:
    """Show all series: counts, the table from row `first` on, the first spectrograms; `fleet` ranks by e-values."""
    ranking = Ranking.of(snapshot) if fleet else None
    if ranking:
        views = [snapshot.view(name) for name in ranking.names[first : first + ROWS]]
    else:
        views = list(snapshot.views(first + ROWS))[first:]
        # By name within a state: rows that change places with every tick cannot be read.
        views.sort(key=lambda view: (ORDER.index(view.state), view.name))
    pictures = {view.name: snapshot.spectrogram(view.name) for view in views[:PICTURES]}
    entries = [entry(view, pictures.get(view.name)) for view in views]
    sites = snapshot.sites()
    totals = dict.fromkeys(ORDER, 0)
    for (_, state, _), number in snapshot.counts().items():
        totals[state] += number
    return _page(
        request,
        "status.html",
        entries=entries,
        ranking=ranking,
        windows=windows_in_words(views),
        cards=[one for one in entries if one.pictured],
        totals=[(state.value, number, MEANINGS[state]) for state, number in totals.items()],
        total=len(snapshot),
        first=first,
        rows=ROWS,
        age=_age_in_words(snapshot, clock),
        not_ready=not_ready,
        sites=[_site_row(view) for view in sorted(sites, key=lambda view: ORDER.index(view.state))[:SITES]],
        further_sites=max(0, len(sites) - SITES),
        sources=sorted((one for one in sources if one.has_answered), key=lambda one: one.name),
        settings_text=settings_text,
    )


def series(request: Request, snapshot: Snapshot, view: SeriesView) -> HTMLResponse:
    """Show one series."""
    return _page(
        request, "series.html", one=entry(view, snapshot.spectrogram(view.name)), window=windows_in_words([view])
    )


def problem(request: Request, code: int, detail: str, headers: Mapping[str, str] | None) -> HTMLResponse:
    """Say in one sentence what went wrong."""
    return _page(request, "problem.html", status_code=code, headers=headers, code=code, detail=detail)


def entry(view: SeriesView, picture: Spectrogram | None) -> Entry:
    """Put one series into words."""
    rules = tuple(
        RuleRow(
            rule=rule,
            name=rule_now_in_words(rule),
            share=evidence_share(rule),
            words=evidence_in_words(rule),
            number=evidence_against_budget(rule.evidence, rule.alpha),
            budget=budget_in_words(rule.alpha),
            baseline=baseline_in_words(rule),
            remarks=remarks_in_words(rule),
        )
        for rule in view.rules
    )
    leading = leading_rule(view)
    return Entry(
        view=view,
        reason=reason_in_words(view),
        lag1=lag1_in_words(view),
        recovery=recovery_in_words(view),
        recovery_band=recovery_band_in_words(view),
        cycle=cycle_in_words(view),
        cycle_briefly=cycle_briefly(view),
        fading=fading_in_words(view),
        spread=spread_in_words(view.estimates.spread),
        leading=next((row for row in rules if row.rule is leading), None),
        rules=rules,
        sentence=_describe(picture) if picture is not None else "",
        pictured=picture is not None,
    )


def _site_row(view: SiteView) -> SiteRow:
    kind = "an open alarm" if view.kind == "any" else f"an open alarm on {view.kind}"
    return SiteRow(view, site_in_words(view), f"when {view.k:,} of the series {view.match} have {kind}")


def _describe(picture: Spectrogram) -> str:
    """Say what the picture shows to someone who cannot see it."""
    ready = np.flatnonzero(~np.isnan(picture.lag1))
    if not len(ready):
        return "No reading is ready yet."
    # The first readings after warm-up have the widest bands, with which nothing is ever a change.
    begin, end = ready[len(ready) // 10], ready[-1]
    evidence = picture.evidence[end]
    stands = "" if isnan(evidence) else f" Evidence is {'past' if evidence >= 0 else 'below'} the alarm line."
    # Only bands that lie apart are a change.
    if picture.low[end] > picture.high[begin]:
        verb = "rose"
    elif picture.high[end] < picture.low[begin]:
        verb = "fell"
    else:
        verb = "changed no more than its band is wide,"
    return (
        f"Lag-1 autocorrelation {verb} from {picture.lag1[begin]:.2f} ({moment_in_words(int(picture.time_us[begin]))}) "
        f"to {picture.lag1[end]:.2f} ({moment_in_words(int(picture.time_us[end]))}).{stands}"
    )


def _age_in_words(snapshot: Snapshot, clock: Clock) -> str:
    age = (clock.now_us() - snapshot.taken_us) / MICROSECONDS
    return "just now" if age < 1 else f"{duration_in_words(round(age))} ago"


def _page(
    request: Request,
    template: str,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> HTMLResponse:
    text = _environment.get_template(template).render(path=request.url.path, **values)
    return HTMLResponse(text.encode("utf-8", "replace"), status_code, headers)
