import errno
import unittest
from unittest import mock

from saker import Denied, Unavailable, _failures, data_dir, read, write


class Tests(unittest.TestCase):
    def sorted(self, number, path, granted):
        with mock.patch.object(_failures, "is_granted", return_value=granted):
            return _failures.sort(OSError(number, "words", path))

    def test_a_missing_grant_is_no_missing_file(self):
        for number, path, granted, permission in [
            (errno.ENOENT, "/proc/stat", False, read("/proc/stat")),
            (errno.EPERM, "/proc/link", True, read("/proc/link")),
            (errno.EROFS, "/proc/stat", True, write("/proc/stat")),
            (errno.ENOENT, "/data/a", False, data_dir()),
        ]:
            error = self.sorted(number, path, granted)
            self.assertIsInstance(error, Denied)
            self.assertEqual(error.permission, permission)
        error = self.sorted(errno.ENOENT, "/proc/stat", True)
        self.assertIsInstance(error, Unavailable)
        self.assertEqual(str(error), "/proc/stat: words")

    def test_what_names_no_file_is_told_as_it_is(self):
        error = _failures.sort(OSError(errno.EIO, "words"))
        self.assertIsInstance(error, Unavailable)
        self.assertIn("words", str(error))
        other = KeyError("x")
        self.assertIs(_failures.sort(other), other)

    def test_words_say_what_and_where(self):
        try:
            [][1]
        except IndexError as error:
            self.assertRegex(_failures.words(error), r"^IndexError: list .* \(test_failures.py:\d+\)$")
        self.assertEqual(_failures.words(Unavailable("away")), "away")
        self.assertIn("import it at the top of the file", _failures.words(ModuleNotFoundError("No module")))
        self.assertEqual(_failures.words(Unavailable("half \ud800")), "half ?")
