"""Takes the pictures of the pages that the documents show, of a demo in a real browser.

Run it with `python -m tests.studies.drawings.draw_page`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.browsers import a_browser

DOCS = Path(__file__).resolve().parents[3] / "docs"
DEMO = [sys.executable, "-m", "sentinel", "demo", "--linger", "300", "--headless"]
PICTURES = (
    ("fleet", "/", 1280, 860, "light"),
    ("series", "/series/lake", 1200, 1090, "light"),
    ("phone", "/series/lake", 390, 844, "dark"),
)


def main() -> None:
    """Play the demo to its end and take the pictures."""
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True) as demo:
        said = ""
        for line in demo.stdout:
            said += line
            if "All played" in line:
                break
        address = re.search(r"http://[0-9.:]+", said)[0]
        with a_browser() as browser:
            for name, path, width, height, scheme in PICTURES:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(address + path)
                page.wait_for_selector(".uplot canvas")
                page.wait_for_timeout(500)
                page.screenshot(path=DOCS / f"page-{name}.png")
        demo.terminate()


if __name__ == "__main__":
    main()
