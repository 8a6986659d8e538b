"""Skill on systems whose tip is known, beside its rivals, printed as a page.

python tests/studies/skill/run.py                      print the page
python tests/studies/skill/run.py --write              write it to docs/skill.md
python tests/studies/skill/run.py --runs 20            fewer runs of each system: quick, wide intervals
python tests/studies/skill/run.py --half-life "40 ticks" --level-half-life "20 ticks"    other settings of the bank
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "skill.md"


def main() -> None:
    """Measure, print, write."""
    sys.path.insert(0, str(PAGE.parents[1]))
    # Imported here: run as a file, only its own folder would be searched.
    from tests.studies.skill.measured import COUNT, measure
    from tests.studies.skill.page import text

    parser = argparse.ArgumentParser(description="Skill on systems whose tip is known, beside its rivals.")
    parser.add_argument("--write", action="store_true", help="write docs/skill.md")
    parser.add_argument("--runs", type=int, default=COUNT, help="runs of each system, and of each null")
    parser.add_argument("--half-life", help="of the bank, such as '70 ticks'")
    parser.add_argument("--level-half-life", help="of the level, such as '30 ticks'")
    asked = parser.parse_args()
    bank = {"half_life": asked.half_life, "level_half_life": asked.level_half_life}
    page = text(measure(asked.runs, bank={key: value for key, value in bank.items() if value}))
    print(page)
    if asked.write:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
