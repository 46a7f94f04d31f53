"""What the agent offers to a plugin beside WASI."""

from __future__ import annotations

import sys
from dataclasses import dataclass

if sys.platform == "wasi":
    from . import _wasm as _host
else:
    from .testing import host as _host


@dataclass(frozen=True)
class Usage:
    """Size and fill of a file system, in bytes and inodes. A file system that does not count inodes has 0 of them.

    `available_bytes` is what is free for all but the superuser.
    """

    total_bytes: int
    free_bytes: int
    available_bytes: int
    total_inodes: int
    free_inodes: int


def load_state() -> bytes | None:
    """What was saved last, by this instance or by the one that it took the place of."""
    return _host.load_state()


def save_state(data: bytes) -> None:
    """Keeps a few bytes for whoever comes next. They are kept only if the call that saves them succeeds.

    Raises `ValueError` with the limit if they are too many.
    """
    _host.save_state(data)


def filesystem_usage(path: str) -> Usage:
    """Size and fill of the file system that holds an absolute path.

    Raises `Denied` without the permission, `Unavailable` if the system does not answer.
    """
    return _host.filesystem_usage(path)


def counter_add(name: str, amount: float = 1) -> None:
    """Adds to a counter of the plugin's own, which the agent shows on `/metrics`."""
    _host.counter_add(name, amount)


def gauge_set(name: str, value: float) -> None:
    """Sets a gauge of the plugin's own, which the agent shows on `/metrics`."""
    _host.gauge_set(name, value)


def is_granted(path: str) -> bool:
    """Whether a granted directory holds this absolute path. Natively everything is granted."""
    return _host.is_granted(path)
