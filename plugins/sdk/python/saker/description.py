"""What a plugin says about itself, and the permissions that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Permission:
    """Something outside the sandbox. Made by the functions below; nothing is granted unless the operator does it."""

    kind: str
    value: str | None = None


def read(directory: str) -> Permission:
    """To read files below an absolute directory, or one file."""
    return Permission("read", directory)


def write(directory: str) -> Permission:
    """To read and write files below an absolute directory."""
    return Permission("write", directory)


def data_dir() -> Permission:
    """To keep files in a folder of the instance's own, which is mounted as `/data`."""
    return Permission("data-dir")


def statfs(directory: str) -> Permission:
    """To ask for the size and fill of file systems mounted at or below an absolute directory."""
    return Permission("statfs", directory)


def connect(address: str) -> Permission:
    """To connect to `host:port`."""
    return Permission("connect", address)


def secret(to: str) -> Permission:
    """To have a secret put by the agent into the requests to `scheme://host:port`."""
    return Permission("secret", to)


def env(name: str) -> Permission:
    """To see an environment variable of the agent."""
    return Permission("env", name)


def unix(method: str, socket: str, path: str) -> Permission:
    """To send requests over a Unix socket: a method, the socket's path, and what a request's path begins with, in whole
    segments, where `*` stands for any one."""
    return Permission("unix", f"{method} {socket} {path}")


def stdout() -> Permission:
    """To write to the agent's standard output as it is. Without it, what is printed becomes log lines."""
    return Permission("stdout")


@dataclass(frozen=True)
class Description:
    """What a plugin is. The agent shows it before it runs anything.

    `name` holds lower-case letters, digits and `-`; `summary` is one line. `requests` gives each permission with the
    reason why, in words for the operator who decides. `every_ms` is how often to collect, in milliseconds, where the
    operator sets nothing.
    """

    name: str
    version: str
    summary: str
    requests: Mapping[Permission, str] = field(default_factory=dict)
    every_ms: int | None = None
