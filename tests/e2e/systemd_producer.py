#!/usr/bin/env python3
"""systemd_producer.py RING FILE: pushes 0, 1, 2, ... into `seq`, 2,000 a second, until SIGTERM; FILE then says how many the
ring took. A value that it does not take is pushed again."""
import signal
import sys
import time

import ringdown

stop = False


def on_signal(number: int, frame: object) -> None:
    global stop
    stop = True


signal.signal(signal.SIGTERM, on_signal)
ring, file = sys.argv[1:]
accepted = 0
with ringdown.Producer(ring) as producer:
    series = producer.gauge("seq")
    wake = time.monotonic()
    while not stop:
        for _ in range(20):
            accepted += series.push(accepted, time.time_ns())
        producer.maintain()
        with open(file, "w") as out:
            out.write(f"{accepted}\n")
        wake += 0.01
        time.sleep(max(0, wake - time.monotonic()))
