"""Reading the small text files of `/proc` and `/sys`."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Iterator

from ._failures import from_os
from .errors import Malformed, Unavailable

_PAIR = re.compile(r"\s*([^\s:]+)[\s:]+(.*?)\s*")
_NOT_IN_TAGS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def read(path: str) -> str:
    """The whole of a text file. What is not UTF-8 in it reads as U+FFFD.

    Raises `Denied` without the permission, `Unavailable` with the path for anything else.
    """
    try:
        return _read(path)
    except OSError as error:
        raise from_os(path, error) from None


def read_if_there(path: str) -> str | None:
    """The whole of a text file; `None` if there is no such file here, or the kernel does not serve it.

    Raises `Denied` without the permission, `Unavailable` with the path for anything else.
    """
    try:
        return _read(path)
    except OSError as error:
        # A missing permission looks like a missing file at first, and must not pass for one.
        what = from_os(path, error)
        if isinstance(what, Unavailable) and error.errno in (errno.ENOENT, errno.ENOTSUP):
            return None
        raise what from None


def number(text: str, place: str) -> float:
    """The number that is all of `text`, apart from white space around it. `place` is where it was read.

    Raises `Malformed` with the place if it is not a finite number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    # Python lets digits be grouped by `_`; no file of the kernel does.
    if math.isfinite(value) and "_" not in text:
        return value
    raise Malformed(place, f'a number, found "{text.strip()}"')


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The lines of a file whose lines are `key value…` or `key: value…`, as (key, rest)."""
    for line in text.splitlines():
        if found := _PAIR.fullmatch(line):
            yield found[1], found[2]


def tag_value(text: str) -> str:
    """`text` with `_` for what a tag may not hold: a control character."""
    return _NOT_IN_TAGS.sub("_", text)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
