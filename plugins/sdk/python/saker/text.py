"""Reading the small text files of `/proc` and `/sys`."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator

from ._failures import from_os
from .errors import Malformed, Unavailable

# Bytes of the first read: most of these files fit, and some under /proc/sys answer only the first one.
_FIRST_READ = 4 << 10
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
        return _missing(path, error)


def _missing(path: str, error: OSError) -> None:
    # A missing permission looks like a missing file at first, and must not pass for one.
    what = from_os(path, error)
    if not isinstance(what, Unavailable) or error.errno not in (errno.ENOENT, errno.ENOTSUP):
        raise what from None


class KeptFile:
    """A text file of `/proc` or `/sys` that is read at every run: opened once, and read again from its beginning.

    What is read is what was opened: a file on a disk that is replaced by another under its name goes on being the old
    one, so such a file is better read with `read`. If reading fails or brings nothing, the path is opened again.
    """

    def __init__(self, path: str):
        self.path = path
        self._file: int | None = None

    def read(self) -> str:
        """The whole of it, as it is now. Raises what `read` of this module does."""
        try:
            return self._read()
        except OSError as error:
            raise from_os(self.path, error) from None

    def read_if_there(self) -> str | None:
        """The whole of it; `None` if there is no such file here, or the kernel does not serve it."""
        try:
            return self._read()
        except OSError as error:
            return _missing(self.path, error)

    def _read(self) -> str:
        if self._file is not None:
            try:
                if data := _whole(self._file):
                    return data.decode("utf-8", "replace")
            except OSError:
                pass
            os.close(self._file)
            self._file = None
        file = os.open(self.path, os.O_RDONLY)
        try:
            data = _whole(file)
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return data.decode("utf-8", "replace")


def _whole(file: int) -> bytes:
    data = b""
    while more := os.pread(file, max(_FIRST_READ, len(data)), len(data)):
        data += more
    return data


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
