"""`python -m sentinel`."""

from __future__ import annotations

import sys

from sentinel.commands.main import entry_point

sys.exit(entry_point())
