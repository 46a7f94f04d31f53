import unittest

from saker import Reject, Retry, SettingsError, Unavailable
from saker.http import Response, Target
from saker.testing import host


class Tests(unittest.TestCase):
    def setUp(self):
        host.reset()

    def test_an_address_is_taken_apart(self):
        self.assertEqual(Target.parse("http://127.0.0.1:8086/write?db=x"),
                         Target(False, "127.0.0.1:8086", "/write?db=x"))
        for url, address, path in [
            ("https://h", "h:443", "/"),
            ("http://[::1]/x", "[::1]:80", "/x"),
            ("http://[::1]:81/x", "[::1]:81", "/x"),
            ("http://h?a=b", "h:80", "/?a=b"),
        ]:
            target = Target.parse(url)
            self.assertEqual((target.address, target.path), (address, path))

    def test_a_unix_socket_is_named_by_its_path_in_hexadecimal_digits(self):
        target = Target.unix("/run/docker.sock", "/info")
        self.assertEqual(target, Target(False, "2f72756e2f646f636b65722e736f636b", "/info", "/run/docker.sock"))
        self.assertEqual(target.address, "/run/docker.sock")

    def test_an_unusable_address_says_what_to_write(self):
        for url, what in [
            ("127.0.0.1:8086", "neither http:// nor https://"),
            ("ftp://h/", "neither http:// nor https://"),
            ("http:///write", "no host"),
            ("http://:80/", "no host"),
            ("http://me:secret@h/", "a user name"),
            ("http://h:/", "no valid port"),
            ("http://h:0/", "no valid port"),
            ("http://h:99999/", "no valid port"),
            ("http://h:secret", "no valid port"),
            ("http://[::1]:x/", "no valid port"),
            ("http://fe80::1/", "an IPv6 address without brackets"),
            ("http://h/a b", "a character"),
            ("http://h/#a", "a character"),
            ("http://h\n/", "a character"),
        ]:
            with self.assertRaises(SettingsError, msg=url) as caught:
                Target.parse(url)
            message = str(caught.exception)
            self.assertTrue(message.startswith(f"url: {what}"), message)
            self.assertTrue(message.endswith("; write http://host:port/path"), message)
            self.assertNotIn("secret", message)

    def test_a_status_decides_between_taken_again_and_never(self):
        self.assertIsNone(Response(204).written())
        for status in [400, 409, 413, 415, 422]:
            with self.assertRaises(Reject):
                Response(status).written()
        for status in [302, 401, 403, 404, 408, 429, 500, 503]:
            with self.assertRaises(Retry):
                Response(status).written()
        with self.assertRaisesRegex(Retry, "^429 why$") as caught:
            Response(429, b"why\n", 3).written()
        self.assertEqual(caught.exception.after_ms, 3000)

    def test_the_fake_host_answers_what_it_is_told(self):
        target = Target.parse("http://h/x")
        host.answers += [Response(200, b"{}"), Unavailable("h:80: gone")]
        self.assertEqual(target.get().text, "{}")
        with self.assertRaisesRegex(Unavailable, "gone"):
            target.post(b"body", {"a": "b"})
        self.assertEqual(target.post(b"").status, 204)
        self.assertEqual([request.method for request in host.requests], ["GET", "POST", "POST"])
        self.assertEqual((host.requests[1].body, host.requests[1].headers), (b"body", {"a": "b"}))
