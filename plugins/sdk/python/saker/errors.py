"""What a plugin raises to say who has to act."""

from __future__ import annotations

from collections.abc import Sequence

from .description import Permission


class PluginError(Exception):
    """An error that the agent knows."""


class Denied(PluginError):
    """A permission is missing. The operator is told what to write."""

    def __init__(self, permission: Permission):
        super().__init__(f"{permission.kind} {permission.value or ''}".strip())
        self.permission = permission


class SettingsError(PluginError):
    """A setting is not usable: which, and what to write instead."""


class Unavailable(PluginError):
    """What should be measured, or written to, is not there or does not answer now."""


class Malformed(PluginError):
    """What was read makes no sense: where, and what was expected there, with what was found."""

    def __init__(self, place: str, expected: str):
        super().__init__(f"{place}: expected {expected}")


class Retry(PluginError):
    """A destination is away, busy or slow: try the same points again, at the earliest after so many milliseconds."""

    def __init__(self, message: str, after_ms: int | None = None):
        super().__init__(message)
        self.after_ms = None if after_ms is None else int(after_ms)


class Reject(PluginError):
    """A destination will never take these points: their places in the call, counted from zero; none for all of them.

    If some are named, nothing of the call was written, and the agent calls again without them.
    """

    def __init__(self, message: str, points: Sequence[int] = ()):
        super().__init__(message)
        self.points = [int(place) for place in points]


class Broken(PluginError):
    """The instance is of no more use: the same points are tried in a new one."""
