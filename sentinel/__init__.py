"""sentinel: watches time series and warns that one of them is losing resilience.

From a notebook: `sentinel.analyse(table)`; `sentinel.inspect` looks at a table first, `sentinel.simulated` makes one,
`sentinel.backtest_events` judges alarms by what happened, and `sentinel.sweep` asks whether that depends on choices.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0.dev0"
__all__ = ["analyse", "backtest_events", "inspect", "simulated", "sweep"]


def __getattr__(name: str) -> Any:
    """Import a function when it is first asked for: `import sentinel` itself stays light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("sentinel.analysis.notebook"), name)


def __dir__() -> list[str]:
    """Name what a notebook completes: the functions, and none of the rooms behind them."""
    return [*__all__, "__version__", "__doc__"]
