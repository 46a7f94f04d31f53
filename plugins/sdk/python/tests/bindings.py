"""What componentize-py would generate, as far as `saker._export` uses it: any name is a record of its arguments."""

import sys
import types
from enum import Enum


class Err(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Record:
    def __init__(self, *values):
        self.values = values

    def __eq__(self, other):
        return type(self) is type(other) and self.values == other.values

    def __repr__(self):
        return f"{type(self).__name__}{self.values}"


class Records(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        record = type(name, (Record,), {})
        setattr(self, name, record)
        return record


def install():
    """Makes `import wit_world…` work, and returns the modules of the types and of the contracts."""
    exports = [f"wit_world.exports.{kind}" for kind in ("collector", "processor", "backend")]
    for name in ["componentize_py_types", "wit_world", "wit_world.imports", "wit_world.imports.saker_plugin_types",
                 "wit_world.exports", *exports]:
        module = sys.modules.setdefault(name, Records(name))
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    sys.modules["componentize_py_types"].Err = Err
    plugin_types = sys.modules["wit_world.imports.saker_plugin_types"]
    plugin_types.MetricType = Enum("MetricType", ["GAUGE", "COUNTER", "DERIVE"])
    return plugin_types, sys.modules["wit_world.exports"]
