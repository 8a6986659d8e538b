"""deploy/README.md: one section per alert, and only commands, files and metrics that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def readme(deploy: Path) -> str:
    """The operators' page."""
    return (deploy / "README.md").read_text()


def test_the_sections_are_the_alerts_in_the_order_of_the_rules(readme: str, alerts: list[dict[str, Any]]) -> None:
    runbook = readme.split("\n# Runbook\n")[1]
    assert re.findall(r"^## (\w+)$", runbook, re.MULTILINE) == [alert["alert"] for alert in alerts]


def test_each_section_gives_meaning_impact_diagnosis_mitigation(readme: str) -> None:
    for section in readme.split("\n# Runbook\n")[1].split("\n## ")[1:]:
        headings = re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE)
        assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"], section.splitlines()[0]


def test_links_within_the_page_lead_somewhere(readme: str) -> None:
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", readme, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(.+?)\)", readme)) <= anchors


def test_the_table_of_files_is_complete(readme: str, deploy: Path) -> None:
    for path in deploy.rglob("*"):
        if path.is_file() and path.name != "README.md":
            name = path.name
            assert name in readme or f"{name.split('-')[0]}-*" in readme, path


def test_every_metric_that_is_named_is_exposed(readme: str, exposed: frozenset[str]) -> None:
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed}
    assert set(re.findall(r"\bsentinel_\w+", readme)) <= bases | exposed


def test_panels_that_are_named_are_on_the_dashboard(readme: str, panels: list[dict[str, Any]]) -> None:
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
        assert f"*{name}*" in readme
        assert name in titles


def test_the_paths_are_those_of_the_unit(readme: str, deploy: Path) -> None:
    unit = (deploy / "systemd" / "sentinel.service").read_text()
    for path in ("/opt/sentinel", "/etc/sentinel/sentinel.yaml", "/etc/default/sentinel", "/var/lib/sentinel"):
        assert path in readme
        assert path in unit
