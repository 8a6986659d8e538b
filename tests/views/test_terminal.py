"""The live view of the terminal."""

from __future__ import annotations

import re
from dataclasses import replace

from rich.console import Console

from sentinel.domain.states import SiteView
from sentinel.pipeline.history import History
from sentinel.views.terminal import render

FACTS = ("http://127.0.0.1:9814", 123456.7, "tick 4,000 of 6,000")


def screen(snapshot, colours: bool = False, width: int = 100) -> str:
    console = Console(width=width, force_terminal=colours, color_system="truecolor" if colours else None)
    with console.capture() as captured:
        console.print(render(snapshot, *FACTS, width))
    return captured.get()


def rows(text: str) -> list[str]:
    return text.splitlines()


def test_it_fits_in_100_columns(snapshot) -> None:
    assert max(map(len, rows(screen(snapshot)))) <= 100


def test_in_80_columns_no_heading_bar_or_number_is_cut(snapshot) -> None:
    # At the usual width the spectrum, the evidence and the fourth series of the demo were cut off.
    text = screen(only(snapshot, "elnino", "lake/loaded"), width=80)
    assert max(map(len, rows(text))) <= 80
    assert "…" not in text
    assert "evidence ▏alarm line" in text
    bars = [line for line in rows(text) if "━" in line]
    assert [line.rstrip()[-1] for line in bars] == ["▏", "▏"]
    assert re.search(r"0\.91 \(0\.84 to 0\.95\) .*past the alarm line", text)
    assert re.search(r"variance 1\.1 × base +modulus 0\.91 +0\.8 · α 1/10,000", text)


def test_the_screen_is_the_golden_one(snapshot, golden) -> None:
    golden("terminal.txt", "\n".join(line.rstrip() for line in rows(screen(snapshot))) + "\n")


def test_the_arrow_stands_where_the_sign_of_the_spectrum_changes(snapshot) -> None:
    lines = rows(screen(snapshot))
    start = next(line for line in lines if line.startswith("series")).index("returns fast")
    under = lines[next(i for i, line in enumerate(lines) if line.startswith("lake/loaded")) + 1]
    cell = (under.index("▲", start) - start) // 2
    readings = snapshot.view("lake/loaded").readings
    changes = next(index for index, reading in enumerate(readings) if reading < 0)
    assert cell in (changes - 1, changes)


def test_red_is_above_and_blue_below_the_threshold(snapshot) -> None:
    line = next(line for line in rows(screen(snapshot, colours=True)) if "lake/loaded" in line)
    cells = [tuple(map(int, cell)) for cell in re.findall(r"48;2;(\d+);(\d+);(\d+)m", line)]
    assert cells[0][0] > cells[0][2]
    assert cells[-1][2] > cells[-1][0]


def test_without_colours_the_spectrum_says_which_side_is_sure_and_how_full_a_bar_is(snapshot) -> None:
    lines = rows(screen(snapshot))
    line = next(line for line in lines if line.startswith("lake/loaded"))
    signs = re.sub(r"[^-+·]", "", line[42:74])
    assert re.fullmatch(r"\++·+-*", signs), line
    elnino = next(line for line in lines if line.startswith("elnino"))
    assert re.search(r"━+─+▏", elnino)


def test_a_row_says_when_its_last_tick_was_and_how_its_values_ran(snapshot) -> None:
    lines = rows(screen(snapshot))
    at = next(i for i, line in enumerate(lines) if line.startswith("lake/loaded"))
    assert lines[at + 1].startswith("2026-07-25 16:20")
    assert re.match(r"[▁▂▃▄▅▆▇█ ]{12,17}  ", lines[at + 2])
    assert "█" in lines[at + 2]


def test_sites_stand_under_the_series(snapshot) -> None:
    site = SiteView(
        name="peter", match="lake/*", k=2, kind="any", since_us=5, alarmed=("lake/loaded", "reactor"), alarmed_count=2,
        series_count=3, able_count=3, blind_count=0,
    )  # fmt: skip
    text = screen(replace(snapshot, every_site=(site,)))
    assert "▲ warning   site peter: 2 of 3 series have an open alarm" in text


def only(snapshot, *names: str):
    """Some series of the picture; a name that is not in it is one without a verdict."""
    known = {view.name for view in snapshot.views(len(snapshot))}
    return type(snapshot)(
        {name: replace(snapshot.view(name if name in known else "lake/new"), name=name) for name in names}, History(0)
    )


def test_control_characters_of_a_name_do_not_reach_the_terminal(snapshot) -> None:
    text = screen(only(snapshot, "\x1b[2Jgone"))
    assert "\x1b" not in text
    assert "\\x1b[2Jgone" in text


def test_more_series_than_rows_are_counted(snapshot) -> None:
    assert "and 6 more series on the page" in screen(only(snapshot, *(f"s{i:02}" for i in range(15))))


def test_no_series_is_a_view_too(snapshot) -> None:
    assert "0 series" in screen(only(snapshot))
