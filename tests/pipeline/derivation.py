"""The conditioner in plain Python, one series, no arrays: what its derivation says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Outcome(NamedTuple):
    pair: tuple[float, float] | None
    residual: float | None


def clip(x: float, bound: float) -> float:
    return min(max(x, -bound), bound)


class Reference:
    """The recursions of the derivation, one series, no arrays. A gap row is a new Reference."""

    def __init__(self, H: float, periods: Sequence[float], far: Far | None = None) -> None:
        self.H = H
        self.periods = periods
        self.far = far or Far()
        self.early: list[tuple[int, float]] = []
        self.learn()

    def learn(self) -> None:
        """Know nothing of level, scale and seasons."""
        self.n = 0
        self.m = self.v = self.variance = 0.0
        self.y_before: float | None = None
        self.x_before: float | None = None
        self.first_tick: int | None = None
        self.tied = self.tie_tests = 0
        self.tie_share = 0.0
        self.seasons = [Season(period, self.H) for period in self.periods]

    @staticmethod
    def a(H: float) -> float:
        return 1.0 - 2.0 ** (-1.0 / H)

    def step(self, tick: int, x: float) -> Outcome:
        if self.first_tick is None:
            self.first_tick = tick
        ready = self.n >= max(50, self.H) and all(tick - self.first_tick >= 2 * period for period in self.periods)
        known = self.n > 20 and self.variance > 0
        wave = sum(season.wave(tick) for season in self.seasons)
        far = known and abs(x - wave - self.m) > self.far.distance(x) * math.sqrt(self.variance)
        if math.isnan(x) or self.far.is_fill(x, known, far, self.x_before):
            self.m += self.v
            for season in self.seasons:
                season.L += season.W
            self.y_before = self.x_before = None
            self.tied = 0
            return Outcome(None, None)
        n = self.n
        outcome = self.take(tick, x, ready)
        if n < self.n <= 21:
            self.early.append((tick, x))
            if self.n == 21:
                self.start_again()
        return outcome

    def start_again(self) -> None:
        """Without the first values that are far from the others."""
        middle = sorted(x for _, x in self.early)[10]
        width = 10 * 1.4826 * sorted(abs(x - middle) for _, x in self.early)[10]
        kept = [(tick, x) for tick, x in self.early if abs(x - middle) <= width or width == 0]
        if 14 <= len(kept) < len(self.early):
            last = self.early[-1]
            for tick, x in self.early:
                if (tick, x) not in kept:
                    self.far.remember([x])
                    self.far.seen[self.far.values.index(x)] = 3
            self.learn()
            self.early = []
            for tick, x in kept:
                self.first_tick = kept[0][0]
                self.x_before = self.y_before = None
                self.take(tick, x, False)
                self.early.append((tick, x))
            if kept[-1] != last:
                self.y_before = self.x_before = None

    def take(self, tick: int, x: float, ready: bool) -> Outcome:
        """Let a value move level, scale and seasons."""
        stuck = self.is_stuck(x)
        y = x
        for season in self.seasons:
            y = season.without(tick, y, stuck)
        y_before, self.y_before, self.x_before = self.y_before, y, x
        if self.n == 0:
            self.m, self.n = y, 1
            return Outcome(None, None)
        pred = self.m + self.v
        d = y - pred
        sigma = math.sqrt(self.variance)
        outcome = Outcome(None, None)
        if ready and sigma > 0:
            pair = None if stuck or y_before is None else ((y_before - self.m) / sigma, d / sigma)
            outcome = Outcome(pair, d / sigma)
        if stuck:
            self.m = pred
            return outcome
        unclipped = self.n <= 20
        e = d if unclipped else clip(d, 3 * sigma)
        n = self.n
        if unclipped:
            self.m = pred + max(self.a(self.H), 1 / (n + 1)) * e
        else:
            self.m = pred + max(self.a(self.H), 2 * (2 * n + 1) / ((n + 1) * (n + 2))) * e
            self.v += max(self.a(self.H) ** 2 / 4, 6 / ((n + 1) * (n + 2))) * e
        if self.n >= 2:
            square = d * d if unclipped else min(d * d, 9 * self.variance)
            self.variance += max(self.a(2 * self.H), 1 / (self.n - 1)) * (square - self.variance)
        self.n += 1
        return outcome

    def is_stuck(self, x: float) -> bool:
        """Equal to the value before for longer than the share of ties explains."""
        if self.x_before is None:
            return False
        tie = x == self.x_before
        self.tied = self.tied + 1 if tie else 0
        explained = self.tie_tests >= 50 and self.tie_share**self.tied >= 0.01
        if explained or self.tied <= 4:
            self.tie_tests += 1
            self.tie_share += max(self.a(100), 1 / self.tie_tests) * (tie - self.tie_share)
        return tie and not explained


class Far:
    """Two far values, how often each was seen, and which was seen last."""

    def __init__(self) -> None:
        self.values: list[float | None] = [None, None]
        self.seen = [0, 0]
        self.latest = 0
        self.before: float | None = None
        self.count = 0
        self.range: tuple[float, float] | None = None

    def distance(self, x: float) -> float:
        if self.range is not None and self.range[0] <= x <= self.range[1]:
            return math.inf
        return 3 if x in self.values and self.seen[self.values.index(x)] >= 3 else 10

    def is_fill(self, x: float, known: bool, far: bool, last: float | None) -> bool:
        self.count += 1
        follows = self.before is None or self.before == x
        remembered = x in self.values
        self.before = x if far or (remembered and not known) else None
        if known and not far:
            low, high = self.range or (x, x)
            self.range = min(low, x), max(high, x)
            if remembered:
                place = self.values.index(x)
                self.values[place], self.seen[place] = None, 0
            return False
        if remembered:
            self.latest = self.values.index(x)
            self.seen[self.latest] += 1
            return 3 <= self.seen[self.latest] <= 0.2 * self.count and follows and x != last
        if far:
            self.remember([x])
        return False

    def remember(self, values: Sequence[float]) -> None:
        for x in values:
            if x in self.values:
                self.seen[self.values.index(x)] += 1
            else:
                self.latest = self.values.index(None) if None in self.values else 1 - self.latest
                self.values[self.latest], self.seen[self.latest] = x, 1

    def pass_gap(self) -> Far:
        self.before = None
        return self


class Season:
    def __init__(self, period: float, H: float) -> None:
        self.period = period
        self.H = H
        self.bins = max(2, min(24, int(period)))
        self.S = [0.0] * self.bins
        self.visits = [0] * self.bins
        self.L = self.W = self.U = 0.0
        self.n = 0

    def wave(self, tick: int) -> float:
        place = self.bins * (math.fmod(tick, self.period) + 0.5) / self.period - 0.5
        low = math.floor(place)
        before, after = self.S[low % self.bins], self.S[(low + 1) % self.bins]
        return before + (place - low) * (after - before)

    def without(self, tick: int, x: float, stuck: bool) -> float:
        q = min(self.bins - 1, int(self.bins * math.fmod(tick, self.period) / self.period))
        wave = self.wave(tick)
        y = x - wave
        self.L += self.W
        if self.n == int(self.period):
            self.visits = [0] * self.bins
        if stuck:
            return y
        if self.n == 0:
            self.L = x
        else:
            e = x - self.L - wave
            if self.n > 20:
                e = clip(e, 3 * math.sqrt(self.U))
            a, line = Reference.a(self.period), 6 / ((self.n + 1) * (self.n + 2))
            self.L += max(a, line * (2 * self.n + 1) / 3) * e
            self.W += max(a * a / 4, line) * e
            if self.n >= 6:
                self.visits[q] += 1
                step = min(1.0, max(self.bins * Reference.a(5 * self.period), 2 / (self.visits[q] + 1))) * e
                self.S[q] += step
                self.S = [bin_ - step / self.bins for bin_ in self.S]
                self.L += step / self.bins
            if self.n >= 2:
                self.U += max(Reference.a(2 * self.H), 1 / (self.n - 1)) * (e * e - self.U)
        self.n += 1
        return y
