"""Lines in the agent's log, under the instance's name. They are cut at a length and limited in rate.

What is printed goes the same way: standard output as `info`, standard error as `warn`.
"""

from .host import _host


def debug(message: str) -> None:
    """For the plugin's author."""
    _host.log("debug", message)


def info(message: str) -> None:
    """Worth knowing once."""
    _host.log("info", message)


def warn(message: str) -> None:
    """Something is wrong, and the plugin goes on."""
    _host.log("warn", message)


def error(message: str) -> None:
    """Something is wrong, and values are missing because of it."""
    _host.log("error", message)
