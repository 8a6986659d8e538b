"""The progress bar of an analysis, where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Stage = Callable[[str, int], Callable[[int], None]]
"""Begin a stage by its name and total (0 = unknown); returns what is told how far it has come."""


@contextmanager
def shown(*, enabled: bool) -> Iterator[Stage]:
    """Show stages on standard error while the block runs, if that is a terminal."""
    if not (enabled and sys.stderr.isatty()):
        yield lambda _name, _total: lambda _done: None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def begin(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total or None)
            return lambda done: progress.update(task, completed=done)

        yield begin
