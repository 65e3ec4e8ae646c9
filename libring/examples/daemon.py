#!/usr/bin/env python3
"""daemon.py: a 20 Hz control loop that records how late it wakes, its cycles and its mode."""
import argparse
import signal
import sys
import time

import ringdown

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("ring")
parser.add_argument("--seconds", type=int, help="without it: until SIGTERM or Ctrl-C")
options = parser.parse_args()
stop = False


def on_signal(number: int, frame: object) -> None:
    global stop
    stop = True


signal.signal(signal.SIGTERM, on_signal)
signal.signal(signal.SIGINT, on_signal)

with ringdown.Producer(options.ring) as producer:
    lateness = producer.gauge("daemon_lateness_ms", {"loop": "main"}, "ms")
    cycles = producer.counter("daemon_cycles_total")
    mode = producer.state("daemon_mode", ["STARTING", "RUNNING"])
    if not producer.attached:
        print("not recording for now:", producer.why, file=sys.stderr)

    cycle, wake = 0, time.monotonic()
    cycles_max = None if options.seconds is None else 20 * options.seconds
    while not stop and cycle != cycles_max:
        late_ms, now_ns = (time.monotonic() - wake) * 1e3, time.time_ns()  # one time stamp for the whole cycle
        lateness.push(late_ms, now_ns)
        cycles.push(cycle + 1, now_ns)
        mode.push(0 if cycle < 10 else 1, now_ns)
        if cycle % 20 == 19:
            producer.maintain()
        cycle, wake = cycle + 1, wake + 0.05
        time.sleep(max(0.0, wake - time.monotonic()))
