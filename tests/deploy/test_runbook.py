"""docs/runbooks.md and deploy/README.md: one section per alert, and only commands, files and metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def readme(deploy: Path) -> str:
    """The operators' page."""
    return (deploy / "README.md").read_text()


@pytest.fixture(scope="module")
def runbooks(deploy: Path) -> str:
    """The page that alerts lead to."""
    return (deploy.parent / "docs" / "runbooks.md").read_text()


def test_the_sections_are_the_alerts_in_the_order_of_the_rules(runbooks: str, alerts: list[dict[str, Any]]) -> None:
    assert re.findall(r"^## (\w+)$", runbooks, re.MULTILINE) == [alert["alert"] for alert in alerts]


def test_each_section_gives_meaning_impact_diagnosis_mitigation(runbooks: str) -> None:
    for section in runbooks.split("\n## ")[1:]:
        headings = re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)
        assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"], section.splitlines()[0]


def test_links_to_sections_lead_somewhere(readme: str, runbooks: str) -> None:
    anchors = {title.lower() for title in re.findall(r"^## (.+)$", runbooks, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(.+?)\)", runbooks)) <= anchors
    assert set(re.findall(r"\]\(\.\./docs/runbooks\.md#(.+?)\)", readme)) <= anchors


def test_the_table_of_files_is_complete(readme: str, deploy: Path) -> None:
    for path in deploy.rglob("*"):
        if path.is_file() and path.name != "README.md" and path.suffix != ".pyc":
            name = path.name
            assert name in readme or f"{name.split('-')[0]}-*" in readme, path


def test_every_metric_that_is_named_is_exposed(readme: str, runbooks: str, exposed: frozenset[str]) -> None:
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert set(re.findall(r"\bsentinel_\w+", readme + runbooks)) <= bases | exposed


def test_panels_that_are_named_are_on_the_dashboard(runbooks: str, panels: list[dict[str, Any]]) -> None:
    titles = {panel["title"] for panel in panels}
    for name in (
        "Time per stage",
        "Commit latency",
        "Age of the heartbeats",
        "Observations rejected by reason",
        "Modulus",
        "Period",
        "Spread",
    ):
        assert f"*{name}*" in runbooks
        assert name in titles


def test_the_paths_are_those_of_the_unit(readme: str, deploy: Path) -> None:
    unit = (deploy / "systemd" / "sentinel.service").read_text()
    for path in ("/opt/sentinel", "/etc/sentinel/sentinel.yaml", "/etc/default/sentinel", "/var/lib/sentinel"):
        assert path in readme
        assert path in unit
