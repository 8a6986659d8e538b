"""Tables as people and loggers write them, at random: the bytes of a file, and the options that somebody gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

NAMES = ("temp", "ph", "do_mgl", "rain", "level", "Chlorophyll (ug/L)", "wind")
FORMS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%Y-%m-%d")
STARTS = [datetime.fromisoformat(one) for one in ("2021-03-27T20:00", "2020-10-24T20:00", "2021-06-14T00:00")]
USUAL = ("fine", "coarse", "whole", "mixed")
ODD = ("rises", "stands, then rises", "resets", "warms", "constant", "late", "text", "flag", "sparse", "empty", "bad")
NO_SERIES = ("text", "empty", "rises", "resets", "stands, then rises")


@dataclass
class Written:
    """A file and what is said about it."""

    data: bytes
    options: dict[str, Any] = field(default_factory=dict)
    falls: bool = False
    """The latest row comes first: nobody adds to the end of such a file."""


def _cell(kind: str, n: int, late: int, dice: Random) -> str:
    """Write the value of row n of a column; empty = there is none."""
    noise = dice.randrange(-9, 10)
    fine = f"{8 + noise / 7:.3f}"
    written = {
        "fine": fine, "coarse": f"{8 + noise // 3 / 2:.1f}", "whole": str(100 + noise), "rises": str(1000 + n),
        "stands, then rises": str(max(0, n - 90)), "resets": f"{n % 70 / 2}", "constant": "4.2",
        "warms": f"{min(n, 150) - max(0, n - 150) / 2}", "late": fine if n >= late else "",
        "mixed": str(8 + noise) if dice.random() < 0.8 else f"{8 + noise / 7:.2f}",
        "sparse": fine if dice.random() < 0.3 else "", "flag": str(dice.choice([0, 0, 0, 1, 4])), "empty": "",
        "bad": dice.choice(["bad", "3.2?", "1,5"]) if dice.random() < 0.05 else fine,
        "text": dice.choice(["ok", "calibrated", "", "see log"]),
    }  # fmt: skip
    return written[kind]


class _Table:
    """What all rows of a table share."""

    def __init__(self, dice: Random, most_rows: int) -> None:
        self.dice = dice
        self.rows = dice.choice([1, 3, 8, 12, 30, 60, 120, most_rows])
        names = dice.sample(NAMES, dice.randrange(1, 5))
        self.kinds = {name: dice.choice(USUAL if dice.random() < 0.5 else USUAL + ODD) for name in names}
        if all(kind in NO_SERIES for kind in self.kinds.values()):
            self.kinds[names[0]] = "fine"
        self.kinds |= {f"{name}_qc": "flag" for name in names if dice.random() < 0.1}
        self.separator = dice.choice([",", ",", ",", ";", ";", "\t"])
        self.comma = self.separator != "," and dice.random() < 0.5
        self.fill = dice.choice(["", "", "NA", "-9999", "-999.9", "NaN"])
        self.holes = dice.choice([0, 0, 0.03, 0.1])
        self.late = dice.choice([5, 11, self.rows // 2, self.rows - 1])
        self.whole_until = dice.choice([0, 0, 0, 5, 12, 40])

    def times(self) -> tuple[list[str], bool]:
        """Write the times of the rows, with gaps and repeats; also tell if they fall."""
        dice, form, now = self.dice, self.dice.choice(FORMS), self.dice.choice(STARTS)
        step = timedelta(days=1) if form == FORMS[-1] else timedelta(minutes=dice.choice([10, 15, 30, 60]))
        gaps, repeats = dice.choice([0, 0, 0.05, 0.2]), dice.choice([0, 0, 0.05, 0.2])
        found = []
        for _ in range(self.rows):
            found.append(f"{now.replace(tzinfo=UTC):{form}}")
            if dice.random() >= repeats:
                now += step * (1 if dice.random() >= gaps else dice.randrange(2, 40))
        return (found[::-1], True) if dice.random() < 0.1 else (found, False)

    def write(self, name: str, n: int) -> str:
        """Write a cell as the file has it."""
        kind = self.kinds[name]
        text = _cell(kind, n, self.late, self.dice)
        if kind == "text":
            return text
        if not text or (kind != "flag" and self.dice.random() < self.holes):
            return self.fill
        if n < self.whole_until and kind in USUAL:
            text = text.partition(".")[0]
        return text.replace(".", ",") if self.comma else text

    def lines(self, stamps: list[str]) -> list[list[str]]:
        """Write the fields of all lines, wide or long."""
        dice, time = self.dice, self.dice.choice(["time", "time", "Date", "timestamp", "Date Time"])
        if dice.random() < 0.25:
            named = [name for name, kind in self.kinds.items() if kind not in ("text", "empty")]
            head = [time, dice.choice(["series", "parameter"]), dice.choice(["value", "result"])]
            return [head, *([stamp, one, self.write(one, n)] for n, stamp in enumerate(stamps) for one in named)]
        units = ["", *("" if kind == "text" else "degC" for kind in self.kinds.values())]
        rows = [[stamp, *(self.write(one, n) for one in self.kinds)] for n, stamp in enumerate(stamps)]
        return [[time, *self.kinds], *([units] if dice.random() < 0.1 else []), *rows]


def write_table(dice: Random, most_rows: int = 160) -> Written:
    """Write a table; what is rare in files is rare here."""
    table = _Table(dice, most_rows)
    stamps, falls = table.times()
    lines = table.lines(stamps)
    if dice.random() < 0.06:
        lines = [[str(n) if n else "", *line] for n, line in enumerate(lines)]
    if dice.random() < 0.05 and len(lines) > 4:  # a logger writes its names again
        lines.insert(dice.randrange(2, len(lines)), lines[0])
    quote, end = '"' * (dice.random() < 0.08), dice.choice(["\n", "\n", "\n", "\r\n"])
    texts = [table.separator.join(f"{quote}{cell}{quote}" for cell in line) for line in lines]
    title = ["# station 12"] * (dice.random() < 0.08)
    data = "".join(line + end for line in (*title, *texts)).encode()
    options: dict[str, Any] = {"time_zone": "Europe/Berlin"} if dice.random() < 0.2 else {}
    if table.fill.startswith("-9") and dice.random() < 0.5:
        options["missing"] = [table.fill]
    if dice.random() < 0.1 and len(lines[0]) != 3:
        options["transform"] = [f"{next(iter(table.kinds))}=difference"]
    return Written(b"\xef\xbb\xbf" * (dice.random() < 0.08) + data, options, falls)
