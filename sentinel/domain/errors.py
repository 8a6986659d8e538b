"""Everything sentinel raises on purpose, and its exit code; messages say where, what came, and what is allowed."""

from __future__ import annotations


class SentinelError(Exception):
    """Base of all errors with a message meant for the user; by itself a failure while running."""

    exit_code = 1


class UsageError(SentinelError):
    """The command line asks for something impossible."""

    exit_code = 2


class DataError(SentinelError):
    """Input data that cannot be used."""

    exit_code = 65


class StateError(SentinelError):
    """The state folder is not writable, locked, foreign, or newer than this program: what no second try mends."""

    exit_code = 73


class UpstreamError(SentinelError):
    """Something needed is missing for now: trying again may help."""

    exit_code = 75


class ConfigError(SentinelError):
    """Configuration that cannot be used, one line per fault."""

    exit_code = 78
