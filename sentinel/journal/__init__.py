"""The journal: everything that moves state, in one order, on disk before it is used."""

from __future__ import annotations

from sentinel.journal.batches import Committed
from sentinel.journal.checkpoints import Checkpoint
from sentinel.journal.database import JournalCorrupt, JournalForgotten, JournalFull, JournalUnwritable
from sentinel.journal.journal import Journal

__all__ = [
    "Checkpoint", "Committed", "Journal", "JournalCorrupt", "JournalForgotten", "JournalFull", "JournalUnwritable",
]  # fmt: skip
