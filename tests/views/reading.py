"""The words of a page, as a reader without a script sees them."""

from __future__ import annotations

import re
from urllib.parse import unquote


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def rows_of(page: str) -> list[str]:
    table = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [unquote(name) for name in re.findall(r'<th scope="row"><a href="/series/([^"]+)"', table)]
