"""Arguments of a notebook's functions: settings made of them, and errors in words of Python.

Messages elsewhere name what to write in a command line or a file. Here `--missing ND` becomes `missing='ND'`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentinel.config import DEFAULT_BANK, Settings, from_mapping, load, or_else, with_events
from sentinel.domain.errors import ConfigError, SentinelError, UsageError
from sentinel.tables.options import NAMES

ALPHA = 1e-4
"""Budget of a threshold, in false alarms per tick, unless another one is given."""
_OPTIONS = (*NAMES, "cadence", "season", "aggregate", "resolution", "conditioning", "config", "events")
_PROSE = "on|in|is|or|and|to|of|with|for|where|gives|names"
_VALUE = r"'[^']*'|\"[^\"]*\"|[^\s;,:)]+"
_OPTION = rf"--({'|'.join(name.replace('_', '-') for name in sorted(_OPTIONS, key=len, reverse=True))})(?![a-z-])"
_GIVEN = rf"(?:[ =](?!--|(?:{_PROSE})\b)({_VALUE}))?"
_WRITTEN = re.compile(_OPTION + _GIVEN)
_RUN = re.compile(rf"{_OPTION}{_GIVEN}(?: --\1(?![a-z-]){_GIVEN})*")
"""Options of one name that follow each other."""
_ELSEWHERE = re.compile(r" \((?:" + "|".join(_OPTIONS) + r"): [^)]*\)|, or --[a-z-]+ on the command line")
"""Hints of a message at a YAML key or at another option, which a caller in Python cannot use."""


@contextmanager
def python_words() -> Iterator[None]:
    """Put the errors of the block into words of Python arguments; their kind stays."""
    try:
        yield
    except SentinelError as error:
        raise type(error)(in_python(str(error))) from error


def in_python(message: str) -> str:
    """Write the options that a message names as keyword arguments; several of one name become a list."""
    return _RUN.sub(_as_argument, _ELSEWHERE.sub("", message))


def _as_argument(run: re.Match[str]) -> str:
    values = [option[2].strip("'\"") for option in _WRITTEN.finditer(run[0]) if option[2] is not None]
    name = run[1].replace("-", "_")
    return name if not values else f"{name}={values[0]!r}" if len(values) == 1 else f"{name}={values!r}"


def settings_from(
    config: Mapping[str, Any] | Settings | Path | str | None,
    *,
    threshold: float | str | None = None,
    alpha: float | None = None,
    half_life: float | str | None = None,
    counterpart: str | Mapping[str, str] | None = None,
) -> Settings:
    """Make settings of a file or what could stand in one, and of arguments, which win.

    Raises ConfigError: the file or mapping is wrong. UsageError: an argument is.
    """
    if isinstance(config, Settings):
        settings = config
    elif isinstance(config, Mapping):
        settings = from_mapping(config)
    else:
        settings = Settings() if config is None else with_events(load(config))
    written = settings.model_dump(mode="json")
    changed: dict[str, object] = {}
    if threshold is not None:
        written["alarms"] = [{"threshold": threshold, "alpha": ALPHA if alpha is None else alpha}]
        changed["threshold"] = threshold
    if alpha is not None:
        changed["alpha"] = alpha
        if threshold is None:
            written["alarms"] = [{"kind": "slower", "alpha": alpha}]
    if half_life is not None:
        changed["half_life"] = half_life
        text = f"{half_life:g} ticks" if isinstance(half_life, int | float) else half_life
        for name in {DEFAULT_BANK, *written["banks"]}:
            written["banks"][name] = written["banks"].get(name, {}) | {"half_life": text}
    if counterpart is not None:
        changed["counterpart"] = counterpart
        written["series"] = _with_counterparts(counterpart, written["series"])
    if not changed:
        return settings
    try:
        return from_mapping(written)
    except ConfigError as error:
        raise UsageError(f"{', '.join(f'{n}={v!r}' for n, v in changed.items())}: {first_fault(error)}") from error


def _with_counterparts(counterpart: str | Mapping[str, str], entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put an entry for each pair before the others; a single name is the counterpart of all other series."""
    rest = next((entry for entry in entries if entry["match"] == "*"), {"match": "*"})
    if isinstance(counterpart, str):
        own = [] if any(entry["match"] == counterpart for entry in entries) else [rest | {"match": counterpart}]
        others = [entry for entry in entries if entry["match"] != "*"]
        return [*own, *others, rest | {"counterpart": counterpart}]
    pairs = {match: rest | {"match": match, "counterpart": other} for match, other in counterpart.items()}
    return [*pairs.values(), *(entry for entry in entries if entry["match"] not in pairs)]


def first_fault(error: ConfigError) -> str:
    """Give the first reason for which settings were refused, without the key, which is not what was written."""
    return str(error).splitlines()[0].partition("]: ")[2]


def refuse_unknown(options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise UsageError for an option that no table has."""
    for name in options:
        if name not in NAMES:
            raise UsageError(f"{name}: there is no such argument; {or_else(name, [*known, *NAMES], 'arguments')}")
