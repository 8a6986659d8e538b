"""The live view in the terminal: three lines per series, 100 columns wide, or 80 where there are no more."""

from __future__ import annotations

from math import asinh, atanh, isnan
from time import monotonic
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.live import Live as RichLive
from rich.style import Style
from rich.table import Table
from rich.text import Text

from sentinel.domain.clock import MICROSECONDS
from sentinel.domain.printing import visible
from sentinel.domain.spans import moment_in_words
from sentinel.domain.states import SeriesView, State
from sentinel.pipeline.history import Sketch
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text import claims
from sentinel.text.words import alpha_in_words, cycle_in_words, lag1_in_words, ratio_in_words, recovery_in_words

FRAMES_PER_SECOND = 8
ROWS = 9
"""Series shown; the most alarming when there are more."""
SITES = 5
"""Sites shown, in the order of the settings."""
HEIGHTS = "▁▂▃▄▅▆▇█"
FULL = 8.0
"""Reading, in null standard deviations, of the deepest colour."""
SURE = 2.0
"""Reading from which on its sign is no chance."""
COLD, ZERO, WARM = (83, 137, 180), (244, 244, 242), (184, 122, 80)
NOT_READY = "grey37"
STATES = {
    State.CRITICAL: ("◆", "bold red"),
    State.WARNING: ("▲", "bold yellow"),
    State.BLIND: ("━", "magenta"),
    State.WATCHING: ("●", "green"),
    State.LEARNING: ("◌", "bright_black"),
}
"""Sign and style of every state, the most urgent first."""


class Widths(NamedTuple):
    """Widths of the columns, of the gaps between them, and of the bar of evidence, in letters."""

    name: int
    state: int
    spectrum: int
    evidence: int
    between: int
    bar: int


WIDE = Widths(name=17, state=21, spectrum=32, evidence=24, between=2, bar=20)
NARROW = Widths(name=12, state=20, spectrum=25, evidence=20, between=1, bar=18)
"""For the 80 columns that a terminal has when nobody has made it larger."""
WIDE_FROM = 100


def render(snapshot: Snapshot, address: str, rate: float, note: str, width: int = WIDE_FROM) -> RenderableType:
    """Make the view of one snapshot for a terminal of `width` columns; it does not change afterwards.

    Beside the series stand the address of the page, a rate in observations per second, and a last line if not empty.
    """
    widths = WIDE if width >= WIDE_FROM else NARROW
    padding = (0, widths.between, 1, 0)
    table = Table(box=None, pad_edge=False, padding=padding, show_edge=False, header_style="bright_black")
    table.add_column("series", width=widths.name, overflow="ellipsis", no_wrap=True)
    table.add_column("state, lag-1 (band)", width=widths.state)
    # No thresholds: they may differ from series to series.
    scale = Text("returns fast" + "slowly".rjust(widths.spectrum - len("returns fast")))
    table.add_column(scale, width=widths.spectrum, no_wrap=True)
    table.add_column("evidence ▏alarm line", width=widths.evidence)
    # By name within a state, so that rows keep their places while evidence moves.
    views = sorted(snapshot.views(ROWS), key=lambda view: (list(STATES).index(view.state), view.name))
    sketches = snapshot.sketches([view.name for view in views], widths.name)
    for view in views:
        name = Text(f"{visible(view.name)}\n").append(_last_tick(view, widths.name), "bright_black")
        name.append(f"\n{_sparkline(sketches.get(view.name))}", "cyan")
        table.add_row(name, _state(view), _spectrum(view, widths.spectrum), _evidence(view, widths.bar))
    heading = Text("").append("sentinel", "bold").append("  ").append(address, "underline")
    heading.append(f"   {len(snapshot):,} series   ")
    heading.append(f"{rate:,.0f} observations/s", "bright_black")
    parts: list[RenderableType] = [heading, Text(), table]
    if len(snapshot) > len(views):
        parts.append(Text(f"and {len(snapshot) - len(views):,} more series on the page", style="bright_black"))
    for site in snapshot.sites()[:SITES]:
        sign, style = STATES[site.state]
        line = Text(f"{sign} {site.state.value}".ljust(12), style).append(f"site {visible(site.name)}: ", "default")
        parts.append(line.append(claims.site_in_words(site), "bright_black"))
    if note:
        parts += [Text(), Text(note)]
    return Group(*parts)


def _last_tick(view: SeriesView, width: int) -> str:
    """Write when the last tick was, in simulated or real time, as exactly as there is room."""
    when = moment_in_words(view.time_us, 0.0 if isnan(view.cadence_seconds) else view.cadence_seconds * MICROSECONDS)
    return when if len(when) <= width else when.removesuffix(" UTC")[: 16 if width >= 16 else 10]


def _sparkline(sketch: Sketch | None) -> str:
    """Draw the values so far, a letter for each part of them; a missing one is blank."""
    if sketch is None:
        return ""
    middle = ((sketch.low + sketch.high) / 2).tolist()
    known = [value for value in middle if not isnan(value)]
    low, reach = min(known, default=0.0), (max(known, default=1.0) - min(known, default=0.0)) or 1.0
    steps = len(HEIGHTS) - 1
    return "".join(" " if isnan(value) else HEIGHTS[round((value - low) / reach * steps)] for value in middle)


def _state(view: SeriesView) -> Text:
    sign, style = STATES[view.state]
    text = Text(f"{sign} {view.state.value}", style)
    if isnan(view.estimates.lag1) or view.state is State.BLIND:
        return text.append(f"\n{claims.reason_in_words(view)}", "not bold bright_black")
    text.append(f"\n{lag1_in_words(view.estimates)}", "not bold default")
    if isnan(view.estimates.spread):
        return text
    return text.append(f"\nvariance {ratio_in_words(view.estimates.spread)} × base", "not bold bright_black")


def _spectrum(view: SeriesView, room: int) -> Text:
    """Draw one cell per detector, under it the place where the sign changes, and name what oscillates."""
    text = Text()
    width = max(1, room // max(1, len(view.readings)))
    for reading in view.readings[: room // width]:
        background = NOT_READY if isnan(reading) else _colour(reading)
        text.append(_mark(reading).ljust(width), Style(color="black", bgcolor=background))
    text.append("\n")
    if not isnan(view.estimates.lag1):
        _point_at_lag1(text, view, width * len(view.readings), width, room)
    if not isnan(view.estimates.modulus):
        text.append(f"\nmodulus {cycle_in_words(view, briefly=True)}", "bright_black")
    return text


def _mark(reading: float) -> str:
    """Say what the colour says: which side of zero a reading lies on, if that is sure."""
    return " " if isnan(reading) else "+" if reading >= SURE else "-" if reading <= -SURE else "·"


def _point_at_lag1(text: Text, view: SeriesView, cells: int, width: int, room: int) -> None:
    """Put an arrow under the place of lag-1 in a row of `cells`, `width` per detector, and the recovery time by it."""
    lowest, highest = view.thresholds[0], view.thresholds[-1]
    share = (atanh(min(highest, max(lowest, view.estimates.lag1))) - atanh(lowest)) / (atanh(highest) - atanh(lowest))
    place = min(cells - 1, max(0, round((cells - width) * share + (width - 1) / 2)))
    # The words stand where the arrow leaves room for all of them, else for the duration alone.
    recovery = recovery_in_words(view)
    for words in (f"recovery {recovery}", recovery):
        if len(words) < room - place - 1:
            text.append(" " * place + "▲").append(f" {words}", "bright_black")
            return
        if len(words) + 2 <= place:
            text.append(words.ljust(place), "bright_black").append("▲")
            return
    text.append(" " * place + "▲")


def _colour(reading: float) -> str:
    share = min(1.0, asinh(abs(reading)) / asinh(FULL))  # most colours lie near zero, as on the page
    end = WARM if reading > 0 else COLD
    red, green, blue = (round(middle + (far - middle) * share) for middle, far in zip(ZERO, end, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _evidence(view: SeriesView, width: int) -> Text:
    rule = claims.leading_rule(view)
    if rule is None:
        return Text("no alarm rule\n", "bright_black")
    share = claims.evidence_share(rule)
    filled = 0 if isnan(share) else round(width * share)
    past = rule.alarm_id or (rule.evidence >= 0 and not rule.held)
    bar = Text("━" * filled, "red" if past else "cyan").append("─" * (width - filled), "grey37")
    waits = isnan(rule.evidence) and rule.baseline_left > 0
    words = f"needs {rule.baseline_left:,} more pairs" if waits else claims.evidence_in_words(rule)
    alpha = alpha_in_words(rule.alpha).replace(" million", "M").replace(" billion", "G")
    return bar.append("▏", "red").append(f"\n{words}\n{claims.rule_briefly(rule)} · α {alpha}", "bright_black")


class Live:
    """Shows the view in the terminal while the block runs, at most `FRAMES_PER_SECOND`; a context manager."""

    def __init__(self, *, enabled: bool) -> None:
        self._live = RichLive(refresh_per_second=FRAMES_PER_SECOND, transient=False) if enabled else None
        self._due = 0.0

    def __enter__(self) -> Live:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, snapshot: Snapshot, address: str, rate: float, note: str) -> None:
        """Show what `render` makes of this, unless the last snapshot has only just been shown."""
        if self._live and monotonic() >= self._due:
            self._due = monotonic() + 1 / FRAMES_PER_SECOND
            self._live.update(render(snapshot, address, rate, note, self._live.console.width))
