"""A real browser for tests of pages; without one they are skipped, except in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as PlaywrightError

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Start a browser and stop it at the end of the block."""
    if not CHROMIUM.exists():
        assert os.environ.get("CI") != "true", "chromium is needed in CI"
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        except PlaywrightError as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"chromium does not start: {error}")
        yield browser
        browser.close()
