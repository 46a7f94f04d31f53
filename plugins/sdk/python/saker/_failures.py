"""What exceptions become on their way to the agent."""

from __future__ import annotations

import errno

from .description import data_dir, read, write
from .errors import Denied, PluginError, Unavailable
from .host import is_granted


def sort(error: BaseException) -> BaseException:
    """Sorts what the operating system says; every other exception stays what it is."""
    if not isinstance(error, OSError):
        return error
    if not isinstance(error.filename, str):
        return Unavailable(words(error))
    return from_os(error.filename, error)


def from_os(path: str, error: OSError) -> PluginError:
    """What an error of the operating system about `path` means: a missing permission, or something that is away."""
    if error.errno == errno.EROFS:
        return Denied(write(path))
    # WASI says "not permitted" of a path that leaves its granted directory. One that is below none does not exist.
    if error.errno == errno.EPERM or (error.errno == errno.ENOENT and not is_granted(path)):
        own = path == "/data" or path.startswith("/data/")
        return Denied(data_dir() if own else read(path))
    return Unavailable(f"{path}: {error.strerror}")


def words(error: BaseException) -> str:
    """An exception as text; of those that the agent does not know, with kind and place."""
    text = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}{_place(error)}"
    # Half a surrogate pair is no Unicode, and could not be passed on.
    return text.encode("utf-8", "replace").decode()


def _place(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "; import it at the top of the file, where the build sees it"
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    if not place:
        return ""
    file = place.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f" ({file}:{place.tb_lineno})"
