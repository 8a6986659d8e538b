"""What was probably meant by a word that is not one of those allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def or_else(word: str, allowed: Iterable[str], what: str) -> str:
    """``did you mean 'path'?``, or else the list of everything that is allowed."""
    words = list(allowed)
    close = get_close_matches(word, words, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    if not words:
        return f"no {what} are defined"
    return f"allowed {what} are {', '.join(words)}"
