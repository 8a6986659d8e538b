"""The pictures of series, kept beside the journal over a restart: a daily series would be without one for days.

They are saved once, at the end, and taken back only where the next start begins with the checkpoint of that end: there
every name is the same series and every tick is either in them or still to come. After a crash that is not so, and
pictures begin anew. Nothing follows from them: a file that cannot be read is left alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sentinel.pipeline import arrays
from sentinel.pipeline.history import History

logger = logging.getLogger(__name__)

FILE, VERSION = "pictures.npz", 2
MOST_SAVED = 1_000
"""Series whose pictures are saved: as many as are written and read in about half a second, 0.1 MB each."""


def save(history: History, folder: Path, batch: int) -> None:
    """Save pictures that are as after this batch; a disk that does not take them is said, and does no harm."""
    coming = folder / f".{FILE}.new"
    try:
        kept, header = history.to_arrays(MOST_SAVED)
        coming.unlink(missing_ok=True)
        descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            arrays.write(file, kept, {**header, "version": VERSION, "batch": batch})
        coming.replace(folder / FILE)
    except (OSError, MemoryError) as error:
        with suppress(OSError):  # a disk that is read-only now
            coming.unlink()
        logger.warning("pictures are not kept", extra={"why": str(error) or repr(error)})


def load(history: History, folder: Path, batch: int, names: Collection[str]) -> None:
    """Take back the pictures of these series, if they are of this batch; those of another one are removed.

    Damaged bytes raise nearly anything in `zipfile` and numpy, and must not end a start.
    """
    try:
        with (folder / FILE).open("rb") as file:
            kept, header = arrays.read(file)
        if (header["version"], header["batch"]) == (VERSION, batch):
            history.use_arrays(kept, header, names)
        else:
            (folder / FILE).unlink()
            logger.info("pictures begin anew: those of before are of another state, as after a crash")
    except FileNotFoundError:
        return
    except Exception as error:  # noqa: BLE001
        logger.warning("pictures cannot be read, and begin anew", extra={"why": f"{type(error).__name__}: {error}"})
