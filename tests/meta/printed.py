"""What the pages print to be typed: commands, their output, and files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
SHELL = ("bash", "sh", "console")
NOT_RUN = {
    r"\bpip install\b|^python3 -m venv": ".ci/run installs with these lines, from a clean copy",
    r"^(SENTINEL_LAWS=all )?\.venv/bin/(pytest|ruff)\b": ".ci/run runs all tests and tools",
    r"^(deploy/install\.sh|deploy/build-deb\.sh|/opt/sentinel)": "for root; tests/deploy has a system of its own",
    r"^(systemctl|journalctl)\b": "needs systemd as process 1; tests/deploy/test_systemd.py has one",
}
"""Lines that are not run by the test of the pages -> why, and what is done about them."""


@dataclass(frozen=True)
class Command:
    """A line of the shell, where it stands, and the lines that it is said to print; None = nothing is said."""

    line: int
    text: str
    output: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it is not run; None = it is."""
        return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, self.text)), None)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, by a comment in its first line such as `# rules.yaml`; None = it names none."""
        found = re.match(r"# ([\w-]+\.\w+)\n", self.text)
        return found[1] if found else None

    def commands(self) -> Iterator[Command]:
        """Its commands, lines that a backslash continues in one piece."""
        lines = list(enumerate(self.text.splitlines(), self.line + 1))
        prompted = self.language == "console"
        while lines:
            number, text = lines.pop(0)
            assert not prompted or text.startswith("$ "), f"line {number}: output before a command"
            text = text.removeprefix("$ ")
            while text.endswith("\\"):
                text += "\n" + lines.pop(0)[1]
            output = []
            while prompted and lines and not lines[0][1].startswith("$ "):
                output.append(lines.pop(0)[1])
            if text.strip():
                yield Command(number, text, "\n".join(output) if prompted else None)


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text[: each.start()].count("\n") + 1, each[1], each[2]) for each in found]


def commands(page: Path) -> list[Command]:
    """Every command that a page prints in its blocks, in order."""
    return [one for block in blocks(page) if block.language in SHELL for one in block.commands()]


def simple(text: str) -> Iterator[list[str]]:
    """The words of each simple command of a line, without comments, redirections and assignments."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = list(lexer)
    words: list[str] = []
    while found:
        word = found.pop(0)
        if set(word) <= set("<>"):
            found = found[1:]
            words = words[:-1] if words and words[-1].isdigit() else words
        elif set(word) <= set("();|&"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"\w+=", word):
            words.append(word)
    if words:
        yield words


def mentions(page: Path) -> Iterator[str]:
    """Every command of sentinel that a page names within its sentences."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return (" ".join(found.split()) for found in re.findall(r"`(sentinel [^`]+)`", prose))
