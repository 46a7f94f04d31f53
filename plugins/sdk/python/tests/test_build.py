import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent

PLUGIN = """
import saker

class Some(saker.Collector):
    description = saker.Description("some", "0.1.0", "Some")

    def collect(self, run):
        return []
"""


class Tests(unittest.TestCase):
    def rejected(self, files, *arguments):
        """What the build says that cannot be made. There is no componentize-py."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "src").mkdir()
            for name, text in files.items():
                Path(folder, "src", name).write_text(text)
            environment = {**os.environ, "PATH": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
            run = subprocess.run([sys.executable, SDK / "build.py", *arguments], cwd=folder, env=environment,
                                 capture_output=True, text=True)
            self.assertEqual(run.returncode, 1, run.stdout)
            self.assertEqual(os.listdir(folder), ["src"])
            return run.stderr

    @unittest.skipIf(shutil.which("componentize-py", path=Path(sys.executable).parent), "it is beside this Python")
    def test_a_missing_componentize_py_comes_with_the_cure(self):
        for arguments in [(), ("src",), ("src/plugin.py",)]:
            said = self.rejected({"plugin.py": PLUGIN, "other.py": "raise SystemExit('imported')"}, *arguments)
            self.assertIn("python3 -m venv .venv && .venv/bin/pip install componentize-py==", said)

    def test_there_must_be_one_plugin(self):
        self.assertIn("and there is none", self.rejected({"plugin.py": "class Some: pass"}))
        said = self.rejected({"a.py": PLUGIN, "b.py": PLUGIN.replace("Some(", "Other(")})
        self.assertIn("Some in a.py, Other in b.py", said)
        self.assertIn("no such file or folder", self.rejected({}, "other.py"))

    def test_a_plugin_that_is_not_whole_is_rejected(self):
        self.assertIn("Some has no collect", self.rejected({"plugin.py": PLUGIN.replace("def collect", "def collct")}))
        nameless = PLUGIN.replace("description =", "about =")
        self.assertIn("Some has no description", self.rejected({"plugin.py": nameless}))
        wrong = PLUGIN + """
    from dataclasses import dataclass

    @dataclass
    class Settings:
        a: bytes
"""
        self.assertIn("Some.Settings: settings cannot be of the type", self.rejected({"plugin.py": wrong}))

    def test_a_name_of_python_s_own_is_rejected(self):
        self.assertIn("a module of Python's own has this name", self.rejected({"json.py": PLUGIN}))
