"""Look of a picture as a file: its size, its letters, its title and the names of its axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from sentinel.domain.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE, FONT_SIZE = (9.6, 8.8), 8.5
"""Inches; points."""
LABELS = (
    "value", "residual", "threshold", "modulus", "variance", "evidence",
    "criticality", "period", "recovery", "reading",
)  # fmt: skip
"""Axes that can be named, those on the left first and from the top."""
POINTS = 72.0
"""In an inch."""
LETTER, LABEL_ROOM = 0.55, 1.15
"""Width of a letter in parts of its height; length that the name of an axis may have, in parts of its panel."""
TICK_SIZE, SPACE_OF_MODULUS = 8.0, 0.15
"""Points; the distance of the two upper ticks of the modulus in parts of its panel."""
SMALLEST_SHARE = 0.3
"""Share of width and height that the panels take at least."""


@dataclass(frozen=True, slots=True)
class Look:
    """The look of a picture; what is left out is as usual."""

    size: tuple[float, float] = SIZE
    """Width and height in inches."""
    font_size: float = FONT_SIZE
    """Of most words, in points; the others are larger or smaller in the same proportion."""
    title: str | None = None
    """None = the name of the series; empty = none."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Names of axes by `LABELS`."""

    @classmethod
    def checked(
        cls, *, size: Any = None, font_size: float | None = None, title: str | None = None,
        labels: Mapping[str, str] | None = None, word: Callable[[str], str] = str,
    ) -> Look:  # fmt: skip
        """Take what was asked for; `word` gives how an option is named in a message.

        Raises UsageError: a size that is none or too small for its letters, or an axis that there is not.
        """
        try:
            width, height = (float(one) for one in (size or SIZE))
        except (TypeError, ValueError):
            width = height = math.nan
        if not (0.5 <= width <= 100 and 0.5 <= height <= 100):
            raise UsageError(f"{word('size')} {size}: width and height in inches are needed, from 0.5 to 100")
        if font_size is not None and not 1 <= font_size <= 100:
            raise UsageError(f"{word('font_size')} {font_size}: points from 1 to 100 are allowed")
        for name in labels or {}:
            if name not in LABELS:
                raise UsageError(f"{word('labels')} {name!r}: no such axis; there are {', '.join(LABELS)}")
        look = cls((width, height), font_size or FONT_SIZE, title, dict(labels or {}))
        if min(1 - 0.25 * look.across, 1 - 0.14 * look.along) < SMALLEST_SHARE:
            least = [0.25 / (1 - SMALLEST_SHARE) * SIZE[0], 0.14 / (1 - SMALLEST_SHARE) * SIZE[1]]
            words = " x ".join(f"{look.factor * inches:.1f}" for inches in least)
            raise UsageError(
                f"{word('size')} {width:g} x {height:g}: too small for letters of {look.font_size:g} points; "
                f"at least {words} inches are needed"
            )
        return look

    @property
    def factor(self) -> float:
        """Size of letters over the usual one."""
        return self.font_size / FONT_SIZE

    @property
    def across(self) -> float:
        """Part of the width that letters take, over the part they take in a picture of the usual size."""
        return self.factor * SIZE[0] / self.size[0]

    @property
    def along(self) -> float:
        """Part of the height that letters take, over the part they take in a picture of the usual size."""
        return self.factor * SIZE[1] / self.size[1]

    def apply(self, figure: Figure, left: Mapping[str, Axes]) -> None:
        """Rename the axes and scale all letters of a finished figure; `left` are the axes on the left by name."""
        every = [*figure.axes, *(cast("Axes", child) for axes in figure.axes for child in axes.child_axes)]
        named = {axes.get_ylabel().partition(" ")[0]: axes for axes in every} | dict(left)
        for name, words in self.labels.items():
            if name in named:
                named[name].yaxis.label.set_text(words)
        self._scale(figure, every)
        for name, axes in left.items():
            label, height = axes.yaxis.label, axes.get_position().height * self.size[1] * POINTS
            longest = max(map(len, label.get_text().split("\n")))
            label.set_fontsize(min(float(label.get_fontsize()), LABEL_ROOM * height / (LETTER * max(longest, 1))))
            if name == "modulus" and SPACE_OF_MODULUS * height < TICK_SIZE * self.factor:
                axes.set_yticks(axes.get_yticks()[::2])

    def _scale(self, figure: Figure, every: Sequence[Axes]) -> None:
        """Scale all letters, those of ticks that are still to come included."""
        if self.factor == 1.0:
            return
        from matplotlib.text import Text

        axes_of_ticks = [axis for axes in every for axis in (axes.xaxis, axes.yaxis)]
        sizes = [axis.get_tick_params().get("labelsize") for axis in axes_of_ticks]
        for text in figure.findobj(Text):
            text.set_fontsize(self.factor * float(text.get_fontsize()))
        for axis, size in zip(axes_of_ticks, sizes, strict=True):
            axis.set_tick_params(labelsize=self.factor * float(size if size is not None else FONT_SIZE))
