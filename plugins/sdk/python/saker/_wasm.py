"""The agent, through the bindings that componentize-py generates. Only inside a component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from componentize_py_types import Err
from wit_world.imports import statfs as host_usage
from wit_world.imports import log as host_log
from wit_world.imports import custom_metrics, preopens, state

from ._wasm_http import send as send
from .description import statfs
from .errors import Denied, Unavailable

if TYPE_CHECKING:
    from .host import Usage


def log(level: str, message: str) -> None:
    host_log.log(host_log.Level[level.upper()], _utf8(message))


def load_state() -> bytes | None:
    return state.load()


def save_state(data: bytes) -> None:
    try:
        state.save(bytes(data))
    except Err as error:
        raise ValueError(f"{len(data)} bytes are too many to be kept: {error.value.value} is the limit") from None


def filesystem_usage(path: str) -> Usage:
    try:
        # The bindings' own record, which has the same fields.
        return host_usage.stat(_utf8(path))
    except Err as error:
        if isinstance(error.value, host_usage.UsageError_Denied):
            raise Denied(statfs(path)) from None
        raise Unavailable(error.value.value) from None


def counter_add(name: str, amount: float) -> None:
    custom_metrics.counter_add(_utf8(name), float(amount))


def gauge_set(name: str, value: float) -> None:
    custom_metrics.gauge_set(_utf8(name), float(value))


def is_granted(path: str) -> bool:
    directories = (directory.rstrip("/") for _, directory in preopens.get_directories())
    return any(path == directory or path.startswith(f"{directory}/") for directory in directories)


def _utf8(text: str) -> str:
    """The bindings trap at what is no text, and at half a surrogate pair."""
    return str(text).encode("utf-8", "replace").decode()
