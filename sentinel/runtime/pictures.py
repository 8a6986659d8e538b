"""The pictures of series, kept beside the journal over a restart: a daily series would be without one for days.

They are saved with a checkpoint, and taken back where the replay begins with that one or with a later one; the ticks
between are then missing in them. They follow from nothing else that is kept, and nothing follows from them: a file that
is damaged, or of another version, is left alone, and pictures begin anew.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sentinel.pipeline.history import History

logger = logging.getLogger(__name__)

FILE, VERSION = "pictures.npz", 1
SAVED_EVERY_SECONDS = 3_600.0


def save(history: History, folder: Path, batch: int) -> None:
    """Save all pictures as they are after this batch; a disk that does not take them is said, and does no harm."""
    arrays, header = history.to_arrays()
    text = json.dumps({**header, "version": VERSION, "batch": batch})
    coming = folder / f".{FILE}.new"
    try:
        with coming.open("wb") as file:
            np.savez(file, _header=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        coming.replace(folder / FILE)
    except OSError as error:
        with suppress(OSError):  # a disk that is read-only now
            coming.unlink()
        logger.warning("pictures are not kept", extra={"why": str(error)})


def load(history: History, folder: Path, batch: int, names: Collection[str]) -> None:
    """Take back the pictures of these series, if they are of this batch or of an earlier one.

    Those of a later one are removed: they are of a state that is no more, such as one before a backup was put back.
    """
    try:
        with (folder / FILE).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            header = json.loads(kept["_header"].tobytes())
            if header["batch"] > batch:
                (folder / FILE).unlink()
            elif header["version"] == VERSION:
                history.use_arrays({key: kept[key] for key in kept.files if key != "_header"}, header, names)
    except FileNotFoundError:
        return
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        logger.warning("pictures cannot be read, and begin anew", extra={"why": str(error)})
