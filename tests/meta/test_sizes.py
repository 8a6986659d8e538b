"""No file grows past what can be read in one sitting."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 400

EXCEPTIONS: dict[str, str] = {}
"""Path -> why this one may be longer. Tests are measured too."""


def lengths() -> dict[str, int]:
    """Lines of each Python file of the repository."""
    files = [path for folder in ("sentinel", "detectors", "tests") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}


def test_no_file_is_longer_than_400_lines_without_a_reason() -> None:
    too_long = {path: lines for path, lines in lengths().items() if lines > LIMIT}
    assert {path: lines for path, lines in too_long.items() if path not in EXCEPTIONS} == {}


def test_exceptions_are_still_needed_and_have_a_reason() -> None:
    known = lengths()
    for path, reason in EXCEPTIONS.items():
        assert known.get(path, 0) > LIMIT, f"{path}: is no longer too long; remove it from EXCEPTIONS"
        assert len(reason.split()) >= 4, f"{path}: say why"
