"""Records of this package as those of the generated bindings, and back. Only inside a component.

What the bindings cannot pass on is a trap to them, so it is rejected here, where it is still an exception.
"""

from __future__ import annotations

import json
from typing import Any

from wit_world.imports import saker_plugin_types as types

from . import settings
from ._failures import words
from .columns import Columns
from .description import Permission
from .errors import Denied, Malformed, Reject, Retry, SettingsError, Unavailable
from .plugin import Plugin, Series
from .values import MetricType, Sample

_U32_MAX = (1 << 32) - 1
_TYPES = {ours: types.MetricType[ours.name] for ours in MetricType}
_TYPES_BACK = {theirs: ours for ours, theirs in _TYPES.items()}


def description(plugin: type[Plugin]) -> types.Description:
    about = plugin.description
    wanted = [types.PermissionRequest(permission(one), reason) for one, reason in about.requests.items()]
    schema = json.dumps(settings.schema(plugin.Settings))
    return types.Description(about.name, about.version, about.summary, wanted, schema, about.every_ms)


def permission(ours: Permission) -> types.Permission:
    theirs = getattr(types, f"Permission_{ours.kind.title().replace('-', '')}")
    return theirs() if ours.value is None else theirs(ours.value)


def sample(ours: Sample) -> types.Sample:
    return types.Sample(
        None if ours.endpoint is None else text(ours.endpoint, "endpoint"),
        text(ours.metric, "metric"),
        _tags(ours),
        _TYPES[ours.metric_type],
        float(ours.value),
        None if ours.timestamp_ms is None else _whole(ours.timestamp_ms, "timestamp_ms", -(1 << 63), (1 << 63) - 1),
        None if ours.step_s is None else _whole(ours.step_s, "step_s", 0, _U32_MAX),
    )


def batch(contract: Any, columns: Columns, run: Any) -> Any:
    points = columns._points
    # Where there are no timestamps at all, each value is of the run's own time.
    times = []
    if any(time is not None for _, _, time in points):
        times = [
            _whole(run.timestamp_ms if time is None else time, "timestamp_ms", -(1 << 63), (1 << 63) - 1)
            for _, _, time in points
        ]
    return contract.Batch(
        list(columns._forget),
        [_definition(contract, handle, ours) for handle, ours in columns._define.items()],
        types.Columns(
            [_whole(handle, "handle", 0, _U32_MAX) for handle, _, _ in points],
            times,
            [value for _, value, _ in points],
        ),
    )


def _definition(contract: Any, handle: int, ours: Sample) -> Any:
    return contract.Definition(
        handle,
        None if ours.endpoint is None else text(ours.endpoint, "endpoint"),
        text(ours.metric, "metric"),
        _tags(ours),
        _TYPES[ours.metric_type],
        None if ours.step_s is None else _whole(ours.step_s, "step_s", 0, _U32_MAX),
    )


def series(theirs: types.Series) -> Series:
    kind = _TYPES_BACK[theirs.metric_type]
    return Series(theirs.endpoint, theirs.metric, dict(theirs.tags), kind, theirs.step_s)


def series_back(ours: Series) -> types.Series:
    return types.Series(
        text(ours.endpoint, "endpoint"),
        text(ours.metric, "metric"),
        sorted(_tags(ours)),
        _TYPES[ours.metric_type],
        _whole(ours.step_s, "step_s", 0, _U32_MAX),
    )


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a text, found {value!r}")
    # Fails for half a surrogate pair, which is no Unicode.
    value.encode()
    return value


def _whole(value: Any, name: str, least: int, most: int) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}: expected a whole number from {least} to {most}, found {value!r}")
    return value


def _tags(ours: Sample | Series) -> list[types.Tag]:
    return [(text(key, "tag"), text(value, key)) for key, value in ours.tags.items()]


def _clamp(value: int) -> int:
    return min(max(value, 0), _U32_MAX)


def open_error(error: BaseException) -> types.OpenError:
    match error:
        case SettingsError():
            return types.OpenError_Settings(words(error))
        case Denied():
            return types.OpenError_Denied(permission(error.permission))
        case _:
            return types.OpenError_Other(words(error))


def collect_error(contract: Any, error: BaseException) -> Any:
    match error:
        case Denied():
            return contract.CollectError_Denied(permission(error.permission))
        case Unavailable():
            return contract.CollectError_Unavailable(words(error))
        case Malformed():
            return contract.CollectError_Malformed(words(error))
        case _:
            return contract.CollectError_Other(words(error))


def write_error(contract: Any, error: BaseException) -> Any:
    match error:
        case Retry():
            after_ms = None if error.after_ms is None else _clamp(error.after_ms)
            return contract.WriteError_Retry(contract.Retry(after_ms, words(error)))
        case Unavailable():
            return contract.WriteError_Retry(contract.Retry(None, words(error)))
        case Reject():
            places = [_clamp(place) for place in error.points]
            return contract.WriteError_Reject(contract.Reject(places, words(error)))
        case Denied():
            return contract.WriteError_Denied(permission(error.permission))
        case _:
            return contract.WriteError_Broken(words(error))
