"""Everything sentinel raises on purpose, and the exit code that goes with it.

SentinelError (1, runtime failure)
├── UsageError (2)          the command line asks for something impossible
├── DataError (65)          input data that cannot be used
├── StateError (73)         the state folder is not writable, locked, foreign, or newer than this program
├── UpstreamError (75)      something a one-shot command needs is down; trying again may help
└── ConfigError (78)        configuration that cannot be used

A message says where, what came, what is allowed, and what to do.
"""

from __future__ import annotations


class SentinelError(Exception):
    """Base of all errors with a message meant for the user."""

    exit_code = 1


class UsageError(SentinelError):
    """The command line asks for something impossible."""

    exit_code = 2


class DataError(SentinelError):
    """Input data that cannot be used."""

    exit_code = 65


class StateError(SentinelError):
    """The state folder is not writable, locked, foreign, or newer than this program."""

    exit_code = 73


class UpstreamError(SentinelError):
    """Something a one-shot command needs is down."""

    exit_code = 75


class ConfigError(SentinelError):
    """Configuration that cannot be used; carries one line per fault."""

    exit_code = 78
