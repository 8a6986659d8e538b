"""sentinel: watches time series and warns that one of them is losing resilience.

From a notebook: `sentinel.analyse(frame)`.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0.dev0"


def __getattr__(name: str) -> Any:
    """Import `analyse` when it is first asked for: `import sentinel` itself stays light."""
    if name != "analyse":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("sentinel.analysis.backtest").analyse
