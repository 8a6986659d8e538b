"""What once broke a reader does not any more, and what it reads well it still reads."""

from __future__ import annotations

import pytest

from tests.studies.fuzz.readers import READERS, corpus


@pytest.mark.parametrize("name", READERS)
def test_what_was_found_once_is_taken_counted_or_refused(name: str) -> None:
    read, seeds = READERS[name]
    for data in (*seeds, *(data for of, data in corpus() if of == name)):
        read(data)
