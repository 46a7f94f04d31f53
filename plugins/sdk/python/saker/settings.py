"""Settings: a dataclass, known to the agent as a JSON Schema.

    @dataclass
    class Settings:
        url: str = setting(doc="Where to send. Has no default, so the operator must give it.")
        batch: int = setting(100, doc="How many at once.")

A field is a `bool`, `int`, `float`, `str`, a `Literal` of texts, a `list[…]` or `dict[str, …]` of these, or another
such dataclass. A field of the type `… | None` with the default `None` may be left out.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import types
import typing
from dataclasses import MISSING
from typing import Any

from .errors import SettingsError

_PLAIN = {bool: ("boolean", "true or false"), int: ("integer", "a whole number"), float: ("number", "a number"),
          str: ("string", "a string")}


def setting(default: Any = MISSING, *, doc: str) -> Any:
    """A field of settings, with what it means. Without a default it must be given."""
    if default is MISSING:
        return dataclasses.field(metadata={"doc": doc})
    # A list or a table of one instance must not be another's.
    return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata={"doc": doc})


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type.

    Raises `TypeError` if settings cannot have this type.
    """
    if kind in _PLAIN:
        return {"type": _PLAIN[kind][0]}
    if dataclasses.is_dataclass(kind):
        return _table(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal and all(isinstance(text, str) for text in arguments):
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    inner = _optional(kind)
    if inner is not None:
        return schema(inner)
    raise TypeError(f"settings cannot be of the type {kind}; write bool, int, float, str, Literal['a', 'b'], "
                    "list[…], dict[str, …], … | None, or a dataclass of these")


def parse(kind: type, text: str) -> Any:
    """Reads settings from the JSON that the agent hands over.

    Raises `SettingsError`, naming the setting and what to write.
    """
    try:
        return _value(kind, json.loads(text))
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _table(kind: type) -> dict[str, Any]:
    properties, required = {}, []
    for field, hint in _fields(kind):
        about = schema(hint)
        if "doc" in field.metadata:
            about["description"] = field.metadata["doc"]
        if _is_required(field):
            required.append(field.name)
        elif (default := _default(field)) is not None:
            about["default"] = dataclasses.asdict(default) if dataclasses.is_dataclass(default) else default
        properties[field.name] = about
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _value(kind: Any, value: Any) -> Any:
    """Reads one value. Raises `ValueError` with what was expected; whoever asked says where."""
    if kind in _PLAIN:
        # To Python, true is the number 1; and a whole number stands for a float.
        fits = type(value) is kind or (kind is float and type(value) is int)
        return kind(value) if fits else _wrong(_PLAIN[kind][1], value)
    if dataclasses.is_dataclass(kind):
        return _read_table(kind, value)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return value if value in arguments else _wrong(f"one of {', '.join(arguments)}", value)
    if origin is list:
        items = value if isinstance(value, list) else _wrong("a list", value)
        return [_at(f"item {place}", arguments[0], item) for place, item in enumerate(items)]
    if origin is dict:
        items = value if isinstance(value, dict) else _wrong("a table", value)
        return {key: _at(key, arguments[1], item) for key, item in items.items()}
    return _value(_optional(kind), value)


def _read_table(kind: type, value: Any) -> Any:
    if not isinstance(value, dict):
        _wrong("a table", value)
    fields = _fields(kind)
    names = [field.name for field, _ in fields]
    for name in value:
        if name not in names:
            raise ValueError(f"{name}: no such setting; there is {', '.join(names) or 'none'}")
    for field, _ in fields:
        if field.name not in value and _is_required(field):
            raise ValueError(f"{field.name}: missing, and it has no default")
    return kind(**{field.name: _at(field.name, hint, value[field.name])
                   for field, hint in fields if field.name in value})


def _at(place: str, kind: Any, value: Any) -> Any:
    try:
        return _value(kind, value)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _wrong(expected: str, value: Any) -> typing.NoReturn:
    raise ValueError(f"expected {expected}, found {json.dumps(value, ensure_ascii=False)}")


def _fields(kind: type) -> list[tuple[dataclasses.Field, Any]]:
    hints = typing.get_type_hints(kind)
    return [(field, hints[field.name]) for field in dataclasses.fields(kind)]


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _optional(kind: Any) -> Any:
    """The `T` of `T | None`; otherwise none."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return None
    inner = [one for one in typing.get_args(kind) if one is not type(None)]
    return inner[0] if len(inner) == 1 else None
