"""test_ringdown.py: ringdown.py as its documentation says. usage: test_ringdown.py RING    (a name of its own)"""
import gc
import math
import os
import sys
import unittest

import ringdown

RING = sys.argv.pop()
SMALL = {"lanes": 2, "lane_records": 64, "arena_bytes": 4096}


class RingdownTest(unittest.TestCase):
    def setUp(self) -> None:
        self.ring = f"{RING}-{self._testMethodName}"
        self.producer = ringdown.Producer(self.ring, **SMALL)
        self.assertTrue(self.producer.attached, self.producer.why)

    def tearDown(self) -> None:
        self.producer.close()
        os.unlink(f"/dev/shm/ringdown-{self.ring}")

    def test_a_push_is_accepted_or_counted(self) -> None:
        a = self.producer.gauge("a", {"wan": "spectrum"}, "ms")
        self.assertIs(a.push(1.5, 1), True)
        self.assertIs(a.push(2, 2), True)
        self.assertIs(a.push_now(3.0), True)
        self.assertIs(self.producer.push(a, 4.0), True)
        self.assertIs(self.producer.push(a, 5.0, 5), True)
        self.assertIs(a.push(math.nan, 6), False)
        self.assertEqual(self.producer.lost(), 1)
        self.assertEqual(self.producer.lost(ringdown.Loss.NON_FINITE), 1)
        self.assertEqual(sum(a.push(i, i) for i in range(64)), 64 - 7 - 5)
        self.assertEqual(self.producer.lost(ringdown.Loss.LANE_FULL), 12)

    def test_the_same_series_twice_is_one(self) -> None:
        define = self.producer.counter
        self.assertEqual(define("a_total", {"x": "1", "y": "2"}).id, define("a_total", {"y": "2", "x": "1"}).id)
        self.assertNotEqual(define("a_total").id, define("a_total", {}, "B").id)
        self.assertNotEqual(define("a_total").id, self.producer.state("a_total", ["GREEN"]).id)

    def test_a_group_pushes_a_value_a_series(self) -> None:
        group = self.producer.group([self.producer.gauge("a"), self.producer.gauge("b")])
        self.assertEqual(group.push([1, 2.5], 7), 2)
        self.assertEqual(group.push((1, math.inf), 7), 1)
        with self.assertRaises(ValueError):
            group.push([1], 7)
        self.assertEqual(self.producer.push_many(8, [self.producer.gauge("a")] * 3, [1, 2, 3]), 3)

    def test_a_series_of_another_producer_is_refused_in_a_group(self) -> None:
        with ringdown.Producer(self.ring) as other, self.assertRaises(ringdown.RingError):
            self.producer.group([other.gauge("a")])

    def test_bad_arguments_raise_and_say_what(self) -> None:
        for define in (
            lambda: self.producer.gauge("no good"),
            lambda: self.producer.gauge("a", {"__name__": "x"}),
            lambda: self.producer.gauge("a", {"wan": "x\0y"}),
            lambda: self.producer.counter("a", unit="m" * 64),
            lambda: self.producer.state("a", []),
            lambda: ringdown.Producer("a/b"),
            lambda: ringdown.Producer(self.ring, lanes=1025),
            lambda: ringdown.Producer(self.ring, clock=7),
        ):
            with self.assertRaisesRegex(ringdown.RingError, "expected") as raised:
                define()
            self.assertEqual(raised.exception.code, -1)

    def test_without_a_ring_the_producer_is_inert(self) -> None:
        with ringdown.Producer(self.ring + "-none", create=False) as inert:
            self.assertFalse(inert.attached)
            self.assertEqual(inert.failure, -2)
            self.assertIn("No such file", inert.why)
            self.assertFalse(inert.gauge("a").push_now(1))
            self.assertEqual(inert.lost(ringdown.Loss.DETACHED), 1)
            self.assertFalse(inert.maintain())

    def test_after_close_everything_is_harmless(self) -> None:
        a = self.producer.gauge("a")
        group = self.producer.group([a])
        self.producer.close()
        self.producer.close()
        self.assertFalse(a.push(1, 1) or a.push_now(1) or group.push([1], 1) or self.producer.maintain())
        self.assertFalse(self.producer.attached)
        self.assertEqual((self.producer.lost(), self.producer.left_behind), (0, 0))
        with self.assertRaises(ringdown.RingError):
            self.producer.gauge("b")

    def test_a_bound_push_keeps_its_producer_and_the_last_user_frees_the_lane(self) -> None:
        push = ringdown.Producer(self.ring).gauge("a").push
        gc.collect()
        self.assertTrue(push(1, 1))
        self.assertFalse(ringdown.Producer(self.ring).attached)  # both lanes are taken
        del push
        gc.collect()
        self.assertTrue(ringdown.Producer(self.ring).attached)

    def test_a_forked_child_is_refused_until_it_attaches(self) -> None:
        a = self.producer.gauge("a")
        child = os.fork()
        if child == 0:
            good = not a.push(1, 1) and self.producer.maintain() and a.push(1, 1)
            os._exit(0 if good else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertTrue(a.push(2, 2))

    def test_maintain_follows_a_replaced_ring(self) -> None:
        a = self.producer.gauge("a")
        self.assertTrue(a.push(1, 1))
        os.unlink(f"/dev/shm/ringdown-{self.ring}")
        self.assertTrue(self.producer.maintain())
        self.assertEqual(self.producer.left_behind, 8)
        self.assertTrue(a.push(2, 2))

    def test_the_version_is_told(self) -> None:
        text, major, minor = ringdown.version()
        self.assertRegex(text, r"^\d+\.\d+\.\d+$")
        self.assertEqual((major, minor), (1, 0))


if __name__ == "__main__":
    unittest.main()
