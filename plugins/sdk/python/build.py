"""Builds a plugin: python3 build.py [FILE or FOLDER], which is `src` if it is left out.

Finds the class that is a saker.Collector, saker.Processor or saker.Backend, and writes NAME.wasm into the current
folder, where NAME is what the plugin's description says.
"""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SDK = Path(__file__).resolve().parent
HERE = Path.cwd()
KINDS = ("Collector", "Processor", "Backend")
INSTALL = "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1"

# The entry point: componentize-py looks for a class that is called like the exported interface.
ENTRY = """\
from {module} import {name}
from saker._export import {kind}

{interface} = {kind}({name})
"""


def main() -> None:
    if sys.version_info < (3, 10):
        sys.exit(f"Python {sys.version.split()[0]} is too old: 3.10 or newer is needed")
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    source = HERE / (sys.argv[1] if len(sys.argv) == 2 else "src")
    file, name, interface = find(source)
    result = HERE / check(file, name)
    entry = ENTRY.format(module=file.stem, name=name, kind=interface.lower(), interface=interface)
    componentize(file.parent, entry, interface.lower(), result)
    print(f"{result.name}: a {interface.lower()}, {result.stat().st_size / 1e6:.1f} MB")


def find(source: Path) -> tuple[Path, str, str]:
    """The plugin's file, class and kind. Only reads the texts: other files there may do anything when imported."""
    found = []
    for file in sorted(source.glob("*.py")) if source.is_dir() else [source]:
        if not file.is_file():
            sys.exit(f"{file}: there is no such file or folder")
        for node in ast.parse(file.read_text(encoding="utf-8"), str(file)).body:
            for base in node.bases if isinstance(node, ast.ClassDef) else []:
                kind = ast.unparse(base).removeprefix("saker.")
                if kind in KINDS:
                    found.append((file, node.name, kind))
    if len(found) != 1:
        names = ", ".join(f"{name} in {file.name}" for file, name, _ in found) or "none"
        sys.exit(f"{source}: needs one saker.Collector, saker.Processor or saker.Backend, and there is {names}")
    if found[0][0].stem in sys.stdlib_module_names:
        sys.exit(f"{found[0][0].name}: a module of Python's own has this name; rename the file")
    return found[0]


def check(file: Path, name: str) -> str:
    """Imports the plugin natively, where mistakes show best. Returns the name of the file to write."""
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(file.parent), str(SDK)]
    plugin = getattr(importlib.import_module(file.stem), name)
    schema = importlib.import_module("saker.settings").schema
    missing = sorted(plugin.__abstractmethods__) + ([] if hasattr(plugin, "description") else ["description"])
    if missing:
        sys.exit(f"{file.name}: {name} has no {' and no '.join(missing)}")
    try:
        schema(plugin.Settings)
    except TypeError as error:
        sys.exit(f"{file.name}: {name}.Settings: {error}")
    return f"{plugin.description.name}.wasm"


def componentize(source: Path, entry: str, kind: str, result: Path) -> None:
    program = componentize_py()
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    if (program.parent.parent / "pyvenv.cfg").exists():
        # Where it finds the packages that the plugin imports.
        environment["VIRTUAL_ENV"] = str(program.parent.parent)
    # Whole or not at all, for an agent may be watching the folder.
    new = result.with_name(f".{result.name}.new")
    with tempfile.TemporaryDirectory() as folder:
        # A copy, because the import leaves files in the folders that it reads.
        unwanted = shutil.ignore_patterns(".*", "__pycache__", "*.wasm")
        shutil.copytree(source, folder, ignore=unwanted, dirs_exist_ok=True)
        shutil.copytree(SDK / "saker", f"{folder}/saker", ignore=unwanted)
        Path(folder, "saker_entry.py").write_text(entry, encoding="utf-8")
        run = subprocess.run(
            [program, "-q", "-d", SDK / "wit", "-d", SDK / "world.wit", "-w", f"saker:python/{kind}",
             "componentize", "saker_entry", "-p", folder, "-o", new],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
    if run.returncode:
        new.unlink(missing_ok=True)
        # Above that are lines of componentize-py's own code.
        sys.exit(run.stderr.rpartition("AssertionError: ")[2] + "componentize-py failed: see above")
    new.replace(result)


def componentize_py() -> Path:
    """The program: of .venv in the current folder, of the Python that runs this, or of the PATH."""
    folders = [str(HERE / ".venv/bin"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    found = shutil.which("componentize-py", path=os.pathsep.join(folders))
    if not found:
        sys.exit(f"componentize-py is missing. Install it once, in this folder:\n  {INSTALL}")
    return Path(found)


if __name__ == "__main__":
    main()
