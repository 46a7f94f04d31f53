import tempfile
import unittest
from pathlib import Path

from saker import Malformed, Unavailable, text


class Tests(unittest.TestCase):
    def test_a_file_is_read_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "file")
            for content in [b"", b"x" * 100_000]:
                path.write_bytes(content)
                self.assertEqual(text.read(str(path)), content.decode())
            path.write_bytes(b"caf\xe9")
            self.assertEqual(text.read(str(path)), "caf\ufffd")

    def test_a_kept_file_is_read_from_its_beginning_each_time(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "file")
            kept = text.KeptFile(str(path))
            self.assertIsNone(kept.read_if_there())
            for content in ["a", "x" * 100_000, "b", ""]:
                path.write_text(content)
                self.assertEqual(kept.read(), content)
            path.unlink()
            path.write_text("another")
            self.assertEqual(kept.read_if_there(), "another")

    def test_a_missing_file_is_named(self):
        self.assertIsNone(text.read_if_there("/nowhere/file"))
        with self.assertRaisesRegex(Unavailable, "^/nowhere/file: No such file or directory$"):
            text.read("/nowhere/file")
        with self.assertRaisesRegex(Unavailable, "^/: Is a directory$"):
            text.read_if_there("/")

    def test_numbers_are_finite(self):
        self.assertEqual(text.number(" 2.5\n", "p"), 2.5)
        for wrong in ["", "x", "inf", "nan", "1_000", "1 2"]:
            with self.assertRaisesRegex(Malformed, f'^p: expected a number, found "{wrong}"$'):
                text.number(wrong, "p")

    def test_pairs_are_split_at_a_colon_or_at_white_space(self):
        found = list(text.pairs("MemTotal:  5 kB\n  pgfault\t7 \nlonely\n\n"))
        self.assertEqual(found, [("MemTotal", "5 kB"), ("pgfault", "7")])

    def test_a_tag_holds_nothing_that_would_end_it(self):
        self.assertEqual(text.tag_value("/mnt/a,b=c\nd e\x7f"), "/mnt/a,b=c_d e_")
