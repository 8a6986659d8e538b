"""What the command line says, as settings and as the way a table is written."""

from __future__ import annotations

import argparse

from sentinel.config import Settings, load
from sentinel.domain.errors import UsageError
from sentinel.tables import TableOptions


def options_of(arguments: argparse.Namespace) -> TableOptions:
    """How the table is written, as the command line says."""
    defaults = TableOptions()
    return TableOptions(
        by=tuple(arguments.by),
        time_column=arguments.time_column or defaults.time_column,
        series_column=arguments.series_column or defaults.series_column,
        value_column=arguments.value_column or defaults.value_column,
        separator=arguments.separator or defaults.separator,
        decimal=arguments.decimal or defaults.decimal,
        encoding=arguments.encoding or defaults.encoding,
        time_format=arguments.time_format,
        time_zone=arguments.time_zone or defaults.time_zone,
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Settings of the configuration file, if one is named, with what the command line says about all series."""
    settings = load(arguments.config) if arguments.config else Settings()
    return with_spans(settings, arguments.cadence, tuple(arguments.season))


def with_spans(settings: Settings, cadence: str | None, season: tuple[str, ...]) -> Settings:
    """Settings in which every series has this cadence and these seasons, where they are given.

    Raises
    ------
    UsageError
        They do not fit each other or the settings.
    """
    said = ({"cadence": cadence} if cadence else {}) | ({"season": list(season)} if season else {})
    if not said:
        return settings
    written = settings.model_dump(mode="json")
    entries = [entry | said for entry in written["series"]]
    if not any(entry["match"] == "*" for entry in entries):
        entries.append({"match": "*"} | said)
    try:
        return Settings.model_validate(written | {"series": entries})
    except ValueError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next(
            (line.removeprefix("Value error, ").split(" [type=")[0] for line in lines[2:] if line), str(error)
        )
        spans = " ".join(
            part for part in (cadence and f"--cadence {cadence}", *(f"--season {s}" for s in season)) if part
        )
        raise UsageError(f"{spans}: {reason}") from error
