"""Pieces of SVG: lines, steps, areas, letters and small images of colours, from arrays in one go.

Places are whole units, of which a picture on a page has two per pixel: so numbers are short, and points that a reader
could not tell apart are one.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from sentinel.pipeline.arrays import Floats, Ints


def line(x: Ints, y: Floats) -> str:
    """Give the path through points in order; it breaks where y is NaN, and a point alone is a short stroke."""
    found = []
    for first, last in _known(y):
        points = np.column_stack([x[first:last], np.rint(y[first:last]).astype(np.int64)])
        moves = np.diff(points, axis=0)
        moves = moves[moves.any(axis=1)]
        found.append(f"M{points[0, 0]} {points[0, 1]}" + (f"l{_numbers(moves)}" if len(moves) else "h1"))
    return "".join(found)


def steps(edges: Ints, y: Floats, baseline: float | None = None) -> str:
    """Give the path along values, each from edge to edge, broken where y is NaN; closed to a baseline."""
    found = []
    for first, last in _known(y):
        heights = np.rint(y[first:last]).astype(np.int64)
        begins = np.append(0, np.flatnonzero(np.diff(heights)) + 1)
        way = _walk(np.append(edges[first:last][begins], edges[last]), heights[begins])
        start = f"M{edges[first]} {heights[0]}" if baseline is None else f"M{edges[first]} {baseline:.0f}V{heights[0]}"
        found.append(start + way + ("" if baseline is None else f"V{baseline:.0f}Z"))
    return "".join(found)


def band(edges: Ints, low: Floats, high: Floats) -> str:
    """Give the closed path between two lines of steps; broken where one of them is NaN."""
    found = []
    for first, last in _known(low + high):
        under, over = (np.rint(y[first:last]).astype(np.int64) for y in (low, high))
        x = edges[first : last + 1]
        there, back = _walk(x, under), _walk(x[::-1], over[::-1])
        found.append(f"M{x[0]} {under[0]}{there}V{over[-1]}{back}Z")
    return "".join(found)


def _walk(edges: Ints, heights: Ints) -> str:
    """Go along steps: to the right by each width, then up or down to the next height."""
    moves = np.empty(2 * heights.size - 1, np.int64)
    moves[::2], moves[1::2] = np.diff(edges), np.diff(heights)
    return ("h%d" + "v%dh%d" * (heights.size - 1)) % tuple(moves.tolist())  # one by one it took most of a picture


def text(words: str, x: float, y: float, *, anchor: str = "start", more: str = "") -> str:
    """Write words at a place; `more` are further attributes."""
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}"{side}{more}>{escape(words)}</text>'


def upright(words: str, x: float, y: float, colour: str, *, size: int = 20) -> str:
    """Write lines of words that run upwards, their middle at a place."""
    lines = words.split("\n")
    shifts = [x + (at - (len(lines) - 1)) * size * 1.15 for at in range(len(lines))]
    return "".join(
        f'<text transform="translate({shift:.0f} {y:.0f}) rotate(-90)" text-anchor="middle" fill="{colour}" '
        f'font-size="{size}">{escape(one)}</text>'
        for shift, one in zip(shifts, lines, strict=True)
    )


def image(codes: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    """Give an image as the address of data: PNG, (rows, columns) of indices into the colours (number, 3)."""
    rows, columns = codes.shape
    lines = np.full((rows, columns + 1), 2, np.uint8)  # each begins with 2: the difference to the line above
    lines[:, 1:] = np.diff(codes, axis=0, prepend=np.zeros((1, columns), np.uint8))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)), (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 4)), (b"IEND", b""),
    )  # fmt: skip
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _known(values: Floats) -> Iterator[tuple[int, int]]:
    """Give first and one-past-last index of each run without NaN."""
    known = np.zeros(values.size + 2, np.bool_)
    known[1:-1] = ~np.isnan(values)
    borders = np.flatnonzero(known[1:] != known[:-1])
    yield from zip(borders[::2].tolist(), borders[1::2].tolist(), strict=True)


def _numbers(points: Ints) -> str:
    return " ".join(map(str, points.ravel().tolist()))
