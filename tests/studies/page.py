"""Sections of a page that several studies write, each its own."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from time import gmtime, strftime

DOCS = Path(__file__).resolve().parents[2] / "docs"
ENDURANCE = DOCS / "endurance.md"


def write_section(page: Path, heading: str, text: str) -> None:
    """Put this text under a heading `## ...` of a page, in place of what stands there; others stay."""
    before, found, rest = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    _, following, after = rest.partition("\n## ")
    head = before if found else before.rstrip("\n") + "\n"
    page.write_text(f"{head}\n## {heading}\n\n{text.strip()}\n{following}{after}", encoding="utf-8")


def lines_of(page: Path, heading: str) -> dict[str, str]:
    """Give the rows of the table under a heading, by their first cell."""
    section = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = section.partition("|---|")[2].splitlines()[1:]
    return {line[2:].partition(" | ")[0]: line for line in lines if line.startswith("| ")}


def when_and_on_what() -> str:
    """Say when this was measured, and on what machine."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{strftime('%Y-%m-%d', gmtime())}, {next(named, platform.processor())}, {os.cpu_count()} cores"
