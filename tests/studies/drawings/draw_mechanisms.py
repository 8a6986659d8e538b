"""Draws the pictures of docs/how-it-works.md and prints the numbers that the page quotes.

Run it with `python -m tests.studies.drawings.draw_mechanisms`, or with the names of the pictures wanted: `gates
glucose permanence memory queue average gradients`. Seeded, so that it draws the same pictures again; all together take
about two minutes, most of it the training.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.signal import lfilter

import sentinel
from detectors.cell import sigmoid
from detectors.tables import lag1, level, scale
from tests.detectors import fine_tune, outage
from tests.detectors.mechanisms import (
    SILENCE,
    TRACKER,
    averaged,
    exact_average,
    fed_to_level,
    follow,
    glucose_cell,
    mean_squared,
    predicted_loss,
    queued,
    recurrent,
    share_kept,
    shown_by,
    sugar,
    ticks_until_half,
)

FOLDER = Path(__file__).resolve().parents[3] / "docs"
DEEP, BLUE, GREY, CLAY, RED = "#2c5d8a", "#5a93bd", "#8c8c8c", "#d2876b", "#b0343c"
STATES = {"learning": "#d9d9d9", "watching": "#9cc3a5", "blind": "#3f3f3f"}
WEIGHTS = np.concatenate([np.linspace(0.98, 0.998, 10), np.linspace(0.9985, 1.005, 27), np.linspace(1.01, 1.1, 10)])


def sheet(*widths: float, height: float = 3.1) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, of these relative widths."""
    figure = Figure(figsize=(9.0, height), layout="constrained")
    panels = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.title.set_fontsize(10)
    return figure, list(panels)


def titled(panel: Axes, title: str, x: str, y: str) -> None:
    """Title and the names of both axes."""
    panel.set_title(title, loc="left", fontsize=10)
    panel.set_xlabel(x)
    panel.set_ylabel(y)


def gates() -> Figure:
    """A cell through missing ticks, an operator's hold and a reset, above its own gates."""
    ticks, missing, hold, reset = 160, slice(45, 62), slice(85, 102), 130
    x = lfilter([0.5], [1.0, -0.85], np.random.default_rng(11).standard_normal(ticks + 50))[50:]
    present = np.ones(ticks, bool)
    present[missing] = False
    valid = present & np.roll(present, 1)
    valid[hold] = False
    detector, plus, minus, cell, opened = lag1(0.5, 15.0), 0.0, 0.0, [], []
    for t in range(ticks):
        p, c = (x[t - 1], x[t]) if valid[t] else (0.0, 0.0)
        given = {"past": p, "present": c, "valid": float(valid[t]), "reset": float(t == reset)}
        plus, minus = detector.plus.step(plus, **given), detector.minus.step(minus, **given)
        cell.append(plus - minus)
        opened.append([sigmoid(gate.at(**given)) for gate in (detector.plus.input, detector.plus.forget)])
    figure = Figure(figsize=(9.0, 4.4), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(1.0, 1.3, 1.0))
    for panel in (top, middle, bottom):
        panel.spines[["top", "right"]].set_visible(False)
        panel.axvspan(missing.start - 0.5, missing.stop + 0.5, color="0.9", linewidth=0)
        panel.axvspan(hold.start - 0.5, hold.stop - 0.5, color="#f3e3d8", linewidth=0)
        panel.axvline(reset - 0.5, color=RED, linewidth=1.0, linestyle="--")
    top.plot(np.where(present, x, np.nan), ".-", color=GREY, markersize=3, linewidth=0.8)
    top.set_ylabel("input")
    for where, text in (((missing.start + missing.stop) / 2, "missing"), ((hold.start + hold.stop) / 2, "hold")):
        top.annotate(text, (where, 1.02), xycoords=("data", "axes fraction"), ha="center", fontsize=9)
    top.annotate("reset", (reset, 1.02), xycoords=("data", "axes fraction"), ha="center", fontsize=9, color=RED)
    middle.plot(cell, color=DEEP, linewidth=1.8)
    middle.axhline(0.0, color="0.6", linewidth=0.7)
    middle.set_ylabel("cell")
    bottom.step(range(ticks), np.array(opened)[:, 1], color=RED, where="mid", linewidth=1.5)
    bottom.step(range(ticks), np.array(opened)[:, 0], color=BLUE, where="mid", linewidth=1.0)
    bottom.set_ylabel("gate")
    bottom.set_xlabel("tick")
    bottom.set_ylim(-0.05, 1.08)
    for text, height, colour in (("forget gate", 0.86, RED), ("input gate", 0.09, BLUE)):
        bottom.annotate(text, ((missing.start + missing.stop) / 2, height), ha="center", fontsize=9, color=colour)
    return figure


def glucose() -> Figure:
    """The glucose machine of the essay through a day, above its gates, and beside it what the gates are here."""
    ticks, meals, insulin = 288, np.zeros(288), np.zeros(288)
    for at, size in ((84, 0.5), (150, 0.8), (222, 0.6)):
        meals[at : at + 6] = size / 6.0
    for at in (90, 156):  # forgotten in the evening: the sugar stays
        insulin[at : at + 40] = 1.0
    cell = glucose_cell(12.0)
    found = sugar(cell, meals, insulin)
    with torch.no_grad():
        given = torch.from_numpy(np.stack([meals, insulin], axis=-1))
        opened = torch.sigmoid(given @ cell.weight_ih.T + cell.bias_ih).numpy()
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1.5, 1.0))
    hours = np.arange(ticks) / 12.0
    for panel in (top, bottom):
        panel.spines[["top", "right"]].set_visible(False)
    top.plot(hours, found, color=DEEP, linewidth=1.8)
    top.set_ylabel("sugar: the cell")
    for at, text in ((84, "breakfast"), (150, "lunch"), (222, "dinner, no insulin")):
        top.annotate(text, (at / 12.0, 1.02), xycoords=("data", "axes fraction"), fontsize=9)
    bottom.step(hours, opened[:, 1], color=RED, where="mid", linewidth=1.5, label="forget gate: insulin closes it")
    bottom.step(hours, opened[:, 0], color=BLUE, where="mid", linewidth=1.0, label="input gate: a meal opens it")
    bottom.set_ylabel("gate")
    bottom.set_xlabel("hour of the day")
    bottom.set_ylim(-0.05, 1.08)
    bottom.legend(fontsize=8, frameon=False, loc="center left")
    return figure


def permanence() -> Figure:
    """Three outages as the product sees them, and how often the band covers a truth that drifts unseen."""
    values, present = outage.watched()
    table = {"time": np.flatnonzero(present), "x": values[present]}
    rows = sentinel.analyse(table, conditioning=False).readings.select("time", "state", "lag1")
    state = pl.DataFrame({"time": np.arange(float(outage.WATCHED_TICKS))}).join(rows, on="time", how="left")
    shown = state["lag1"].is_not_nan().fill_null(False).to_numpy()
    # The third outage empties the cells: what stands behind it began anew.
    seen, anew = np.where(present, values, np.nan)[:, None], 1_000
    parts = [outage.bands(part) for part in (seen[:anew], seen[anew:])]
    centre, low, high, _, plain_low, plain_high = (
        np.concatenate(both)[:, 0] for both in zip(*([*wide, *plain] for wide, plain in parts), strict=True)
    )
    figure, (left, right) = sheet(1.75, 1.0, height=3.4)
    t = np.arange(outage.WATCHED_TICKS)
    held = (t < 800) & ~np.isnan(centre)
    for start, length in outage.OUTAGES.items():
        left.axvspan(start, start + length, color="0.93", linewidth=0)
        left.annotate(f"{length} missing", (start + length / 2, 0.96), ha="center", fontsize=8.5)
    for where, alpha in ((shown, 0.45), (held & ~shown, 0.2)):
        left.fill_between(t, low, high, where=where, color=BLUE, alpha=alpha, linewidth=0)
    for end in (plain_low, plain_high):
        left.plot(t, np.where(held | shown, end, np.nan), color=GREY, linewidth=0.7, linestyle=":")
    left.plot(t, np.where(held & ~shown, centre, np.nan), color=DEEP, linewidth=1.0, linestyle="--")
    left.plot(t, state["lag1"].to_numpy(), color=DEEP, linewidth=1.6)
    names = state["state"].fill_null("blind").to_list()
    for name, colour in STATES.items():
        left.fill_between(
            t, 0.14, 0.19, where=[n == name for n in names], color=colour, step="mid", linewidth=0, label=name
        )
    left.set_ylim(0.12, 1.0)
    left.set_xlim(100, outage.WATCHED_TICKS)
    left.legend(frameon=False, ncols=3, loc="lower center", fontsize=8.5, bbox_to_anchor=(0.35, 0.06))
    titled(left, "The reading is held, its band widens, then blind, then a reset", "tick", "lag-1 autocorrelation")
    x = np.arange(outage.COVERAGE_TICKS) - outage.BEFORE
    wide, plain = outage.coverage(drift=1.0, series=3_000, seed=1)
    right.axvspan(0, outage.OUTAGE, color="0.92", linewidth=0)
    right.plot(x, plain, color=GREY, linestyle=":", label="as held")
    right.plot(x, wide, color=DEEP, label="widened")
    right.axhline(0.95, color="0.6", linewidth=0.7)
    right.set_ylim(0.5, 1.0)
    right.legend(frameon=False, loc="lower right", fontsize=8.5)
    titled(right, "How often the band holds a drifting truth", "tick since the outage began", "share of series")
    for name, share in (("widened", wide), ("as held", plain)):
        last = outage.AT["again"] - 1
        moments = {"before": outage.AT["before"], "last missing tick": last, "35 ticks on": last + 35}
        print(f"permanence: drifting, {name}: " + ", ".join(f"{k} {share[at]:.3f}" for k, at in moments.items()))
    scattered = outage.scattered(missing=0.3).mean()
    print(f"permanence: band {scattered:.3f} times as wide with 30 % of ticks missing at random")
    wide, plain = outage.coverage(drift=0.0, series=3_000, seed=2)
    print(f"permanence: no drift, as held {plain.mean():.3f}; widened at the last missing tick {wide[189]:.4f}")
    return figure


def memory() -> Figure:
    """How long a cell and a plain recurrent unit hold a value, and what each shows in data and after a gap."""
    figure, (left, right) = sheet(1.0, 1.0)
    n = np.unique(np.geomspace(1, SILENCE, 200).astype(int))
    for weight, colour in ((0.99, BLUE), (1.0, GREY), (1.02, CLAY)):
        for start, width in ((0.1, 1.0), (0.5, 1.6)):
            path = recurrent(weight, start, SILENCE)[n]
            left.plot(n, path, color=colour, linewidth=width, label=f"tanh({weight:g} h)" if start > 0.3 else None)
    table, held = level(70.0), {0.1: 0.1, 0.5: 0.5}
    for _ in range(SILENCE):
        held = {start: table.step(c, 0.0, 0.0, valid=0.0, reset=0.0) for start, c in held.items()}
    for start, end in held.items():
        left.plot([1, SILENCE], [start, end], color=DEEP, linewidth=2.2, label="LSTM cell" if start > 0.3 else None)
    left.set_xscale("log")
    left.set_ylim(-0.02, 0.75)
    left.legend(frameon=False, ncols=2, fontsize=8.5, loc="upper right")
    titled(left, "Two values, held", "missing ticks", "held value")
    shares = {(w, g): share_kept(w, g) for w in WEIGHTS for g in (1e-4, 3e-3, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2)}
    right.plot(*np.array(list(shares.values())).T, ".", color=GREY, markersize=4, label="tanh units, 423 settings")
    right.plot([1.0], [1.0], "o", color=DEEP, markersize=8, label="LSTM cell", clip_on=False)
    right.set_xlim(0.0, 1.04)
    right.set_ylim(-0.02, 1.04)
    right.legend(frameon=False, fontsize=8.5, loc="upper left")
    titled(right, "Share of a detector's variance that is shown", "while data come", "after a gap of 1,000 ticks")
    best = max(shares, key=lambda k: min(shares[k]))
    in_data = max(shares, key=lambda k: shares[k][0])
    for name, (w, g) in (("best compromise", best), ("best in data", in_data)):
        print(f"memory: {name}: w {w:.4g}, gain {g:g}: " + "{:.3f} in data, {:.3f} after".format(*shares[w, g]))
    for start in (0.5, 0.1, 0.05, 0.01):
        longest = max((ticks_until_half(w, start, SILENCE), float(w)) for w in WEIGHTS)
        print(
            f"memory: two values near {start:g}: half as far apart after {longest[0]} ticks at best, w {longest[1]:.4g}"
        )
    return figure


def queue() -> Figure:
    """Values on their way through the queue, and what they lose."""
    figure, (left, right) = sheet(1.25, 1.0)
    x = np.zeros(16)
    x[1:5] = [1.0, 2.2, 1.5, 0.6]
    shown = queued(x, 9, 0.3)
    for lag, colour in ((0, DEEP), (4, BLUE), (8, CLAY)):
        left.plot(shown[:, lag], "o-", color=colour, markersize=4, linewidth=1.2, label=f"cell {lag + 1}")
        left.plot(np.arange(lag, len(x)), x[: len(x) - lag], color=colour, linewidth=0.8, linestyle=":")
    left.legend(frameon=False, fontsize=8.5)
    titled(left, "Passed from cell to cell, gain 0.3 (dotted: exact delay)", "tick", "shown value")
    values, gains = (
        np.random.default_rng(1).standard_t(3, 600),
        np.array([1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3]),
    )
    largest = float(np.abs(values).max())
    for lag, colour in ((0, DEEP), (1, BLUE), (9, CLAY)):
        loss = []
        for gain in gains:
            delayed, exact = queued(values, lag + 1, gain)[lag:, lag], values[: len(values) - lag]
            loss.append(float(np.max(np.abs(delayed - exact) / np.abs(exact))))
        print(
            f"queue: largest loss at lag {lag}: "
            + ", ".join(f"{x:.1g} at {g:.1g}" for g, x in zip(gains, loss, strict=True))
        )
        right.loglog(gains, loss, "o", color=colour, markersize=4, label=f"lag {lag}")
        right.loglog(gains, [predicted_loss(largest, lag, g) for g in gains], color=colour, linewidth=0.9)
    right.legend(frameon=False, fontsize=8.5)
    titled(right, "Largest loss (line: law of the tanh)", "gain", "part of the value")
    return figure


def average() -> Figure:
    """The conditioner's level beside a cell, and the loss of level and mean square against their bounds."""
    tracked = follow()
    fed = fed_to_level(tracked)
    shown = shown_by(level(TRACKER), tracked.level[0], fed, 1e-4)
    part = slice(500, 900)
    figure, (left, right) = sheet(1.4, 1.0)
    t = np.arange(len(tracked.values))[part]
    left.plot(t, tracked.values[part], ".", color=GREY, markersize=3, label="values: ramp, noise, spikes")
    left.plot(t, tracked.level[1:][part], color=BLUE, linewidth=4.5, alpha=0.6, label="sentinel's level")
    left.plot(t, shown[part], color=RED, linewidth=1.2, label="LSTM cell")
    left.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(0.0, 0.6))
    titled(left, "A tracker and a tied-gate cell", "tick", "value")
    values, gains = np.random.default_rng(1).standard_t(3, 600), np.geomspace(1e-5, 0.03, 9)
    largest = float(np.abs(values).max())
    mean, square = exact_average(values, 30.0), exact_average(values**2, 30.0)
    losses = {
        "level": (DEEP, lambda g: averaged(values, 30.0, g) - mean, lambda g: g**2 * largest**3 / 3.0),
        "mean square": (
            CLAY,
            lambda g: mean_squared(scale(30.0, input_gain=g), values, g) - square,
            lambda g: 2.0 / 3.0 * g**2 * largest**4,
        ),
    }
    for name, (colour, loss, bound) in losses.items():
        right.loglog(gains, [np.abs(loss(g)).max() for g in gains], "o", color=colour, markersize=4, label=name)
        right.loglog(gains, [bound(g) for g in gains], color=colour, linewidth=0.9)
    right.legend(frameon=False, fontsize=8.5)
    titled(right, "Largest loss (line: proved bound)", "input gain", "loss, in scales")
    apart, bound = np.abs(shown - tracked.level[1:]).max(), 1e-8 * np.abs(fed).max() ** 3 / 3.0
    print(f"average: cell and the conditioner's level are {apart:.1e} apart at most, bound {bound:.1e}")
    return figure


def gradients() -> Figure:
    """What training changes, and what it brings on seeds and a system it has not seen."""
    torch.set_num_threads(1)
    hand, tuned = fine_tune.Weights.by_hand(), fine_tune.Weights.by_hand()
    fine_tune.tune(tuned)
    figure, (left, right) = sheet(1.0, 1.1)
    left.axhline(70.0, color=GREY, linestyle=":", label="by hand")
    left.plot(
        np.tanh(fine_tune.GRID.numpy()),
        tuned.log_half_life.detach().exp(),
        "o-",
        color=DEEP,
        markersize=4,
        label="trained",
    )
    left.set_ylim(0.0, 100.0)
    left.set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    left.legend(frameon=False, fontsize=8.5, loc="lower left")
    titled(left, "Half-life of each detector", "threshold", "ticks")
    for row, system in enumerate(fine_tune.SYSTEMS):
        before, after, low, high = fine_tune.compared(system, hand, tuned)
        right.plot([low, high], [row, row], color=DEEP, linewidth=2.0)
        right.plot([after - before], [row], "o", color=DEEP)
        right.annotate(f"{system}: {before:.3f} → {after:.3f}", (-0.0195, row - 0.16), fontsize=8.5)
    right.axvline(0.0, color="0.5", linewidth=0.8)
    right.set_ylim(2.5, -0.6)
    right.set_xlim(-0.02, 0.012)
    right.set_yticks([])
    titled(right, "Gain of AUC on held-out seeds, with 95 % interval", "trained minus by hand", "")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "gates": gates,
    "glucose": glucose,
    "permanence": permanence,
    "memory": memory,
    "queue": queue,
    "average": average,
    "gradients": gradients,
}


def main() -> None:
    """Draw what was asked for."""
    mpl.use("agg")
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]().savefig(FOLDER / f"mechanism-{name}.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
