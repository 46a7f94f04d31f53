import sys
import unittest
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "src"), str(HERE / "../../../plugins/sdk/python")]

from plugin import SmallestBackend
from saker import MetricType, Point, Reject, Retry, Series
from saker.http import Response
from saker.testing import host


class Tests(unittest.TestCase):
    def setUp(self):
        host.reset()
        self.backend = SmallestBackend(SmallestBackend.Settings(url="http://127.0.0.1:9000/points"))
        self.backend.define(7, Series("web-1", "cpu.busy", {"core": "0", "zone": "a"}, MetricType.GAUGE, 10))

    def test_points_are_posted_as_lines(self):
        self.backend.write([Point(7, 1000, 0.5), Point(7, 2000, 3.0)])
        [request] = host.requests
        self.assertEqual(request.target.address, "127.0.0.1:9000")
        self.assertEqual(request.body, b"web-1,cpu.busy,core=0;zone=a,1000,0.5\nweb-1,cpu.busy,core=0;zone=a,2000,3.0\n")

    def test_a_busy_server_is_tried_again_when_it_says(self):
        host.answers.append(Response(429, b"slow down", retry_after_s=3))
        with self.assertRaisesRegex(Retry, "^429 slow down$") as caught:
            self.backend.write([Point(7, 1000, 0.5)])
        self.assertEqual(caught.exception.after_ms, 3000)

    def test_what_the_server_never_takes_is_given_up(self):
        host.answers.append(Response(400, b"no such metric"))
        with self.assertRaisesRegex(Reject, "^400 no such metric$"):
            self.backend.write([Point(7, 1000, 0.5)])


if __name__ == "__main__":
    unittest.main()
