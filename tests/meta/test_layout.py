"""The top level is what every repository has, and no module is a grab-bag."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"),
    *(".gitignore", ".pre-commit-config.yaml", ".ci", "sentinel", "detectors", "config", "tests", "deploy", "docs"),
}
GRAB_BAGS = {"utils", "util", "helpers", "helper", "common", "misc", "core", "manager", "tools"}


def test_the_top_level_holds_nothing_unexpected() -> None:
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    names = {path.name for path in ROOT.iterdir()} - {".git"}
    present = {name for name in names if not any(fnmatch(name, pattern) for pattern in ignored)}
    assert present - TOP_LEVEL == set()
    assert TOP_LEVEL - present <= {"docs"}


def test_no_module_is_a_grab_bag() -> None:
    for package in ("sentinel", "detectors"):
        names = {path.stem for path in (ROOT / package).rglob("*")}
        assert names & GRAB_BAGS == set(), package


def test_the_license_is_the_whole_apache_license() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
