"""pyproject.toml: each dependency has its reason, and the same tools run everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def test_each_run_time_dependency_says_why_it_is_there(text: str, project: dict[str, Any]) -> None:
    for requirement in project["project"]["dependencies"]:
        assert re.search(rf'^\s*"{re.escape(requirement)}",\s+# \S+ \S+', text, re.MULTILINE), requirement


def test_each_run_time_dependency_has_a_lower_bound(project: dict[str, Any]) -> None:
    assert all(">=" in requirement for requirement in project["project"]["dependencies"])


def test_no_line_of_code_is_excused_from_a_check_without_naming_which() -> None:
    bare = re.compile(r"#\s*(type:\s*ignor[e](?!\[)|noq[a](?!: [A-Z]))")
    for package in ("sentinel", "detectors", "tests"):
        for path in (ROOT / package).rglob("*.py"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                assert not bare.search(line), f"{path.relative_to(ROOT)}:{number}"


def test_the_commands_of_the_readme_are_those_that_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("venv .venv", ".venv/bin/pip install", "'.[test]'", ".venv/bin/pytest", "sentinel demo --headless"):
        assert command in script
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "slow or hypothesis"):
        assert tool in script


def test_hooks_before_a_commit_use_the_tools_of_the_environment() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff-check", "ruff-format", "mypy", "lint-imports"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_the_changelog_names_the_present_version_or_is_unreleased() -> None:
    from sentinel import __version__

    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert titles
    assert titles[0] == "Unreleased" or titles[0].startswith(__version__)
