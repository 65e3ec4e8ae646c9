#!/usr/bin/env python3
"""Two hours of ring-persister under the control-loop profile at 20 times its pace, while it is killed, reloaded, backed
up, read slowly and left without disk space, in turn. Prints what was pushed, stored and lost, and how memory, open
files, database and WAL went; the curves are in FOLDER/soak.csv and drawn by ring-query.

  sudo bench/soak.py build/bin --minutes 120 --seed 1

Needs root, for a file system of its own. Exit status: 0 all is accounted for, 1 it is not."""
import argparse
import csv
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SAMPLE_S = 5
DISK_MIB = 3072
LANE_RECORDS = 1 << 19  # 50 s of half the profile: longer than the disk is full
LANES = 8
CONFIG = """database = "{database}"
rings = ["{ring}"]
lane_records = {lane_records}
lanes = {lanes}
round_ms = {round_ms}
log_level = "{level}"
[tiers]
raw = "30m"
1s = "15m"
"""


class Soak:
    def __init__(self, programs, folder, seed):
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("ring-persister", "ring-replay", "ring-query", "ring-inspect"):
            shutil.copy(programs / name, self.programs)  # a build beside this one does not change them
        self.folder, self.random = folder, random.Random(seed)
        self.ring = f"soak-{os.getpid()}"
        self.disk = folder / "disk"
        self.database = self.disk / "soak.db"
        self.config = folder / "persister.toml"
        self.persister = self.replay = None
        self.counts = {}
        self.begun = time.monotonic()
        self.events = (folder / "events").open("w")
        self.samples = (folder / "soak.csv").open("w", newline="")
        self.writer = csv.writer(self.samples)
        self.writer.writerow(["time_s", "name", "value"])

    def tell(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1
        print(f"{time.monotonic() - self.begun:8.1f} {what}", file=self.events, flush=True)

    def program(self, name, *words, **how):
        return subprocess.Popen([self.programs / name, *map(str, words)], **how)

    def mount(self):
        image = self.folder / "disk.img"
        with image.open("wb") as file:
            file.truncate(DISK_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        self.disk.mkdir()
        subprocess.run(["mount", "-o", "loop", image, self.disk], check=True)

    def configure(self):
        self.config.write_text(CONFIG.format(database=self.database, ring=self.ring, lanes=LANES,
                                             lane_records=LANE_RECORDS, round_ms=self.random.choice([20, 50, 100]),
                                             level=self.random.choice(["info", "warn"])))

    def start_persister(self):
        self.persister = self.program("ring-persister", "--config", self.config, stderr=(self.folder / "log").open("a"),
                                      stdout=subprocess.DEVNULL)

    # What happens to it, each to its end.

    def kill(self):
        self.persister.kill()
        self.persister.wait()
        self.start_persister()

    def reload(self):
        self.configure()
        self.persister.send_signal(signal.SIGHUP)

    def stop_and_start(self):
        self.persister.terminate()
        if self.persister.wait() != 0:
            self.tell("a stop failed")
        time.sleep(3)
        self.start_persister()

    def backup(self):
        copy = self.program("ring-persister", "backup", "--db", self.database, "--to", self.folder / "backup.db",
                            "--replace", "--quiet", stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("a"))
        while copy.poll() is None:
            self.watch(1)
        if copy.returncode != 0:
            self.tell("a backup failed")

    def slow_reader(self):
        reader = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM series").fetchone()
        self.watch(45)
        reader.close()

    def disk_full(self):
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass
        self.watch(20)
        filler.unlink()

    def nearly_full(self):
        filler = self.disk / "filler"
        free = os.statvfs(self.disk)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_bsize - (4 << 20)))
        self.watch(30)
        filler.unlink()

    # Looks at it.

    def size(self, suffix=""):
        try:
            return os.stat(str(self.database) + suffix).st_size
        except FileNotFoundError:
            return 0

    def sample(self):
        pid = self.persister.pid
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            rss = int(status.split("VmRSS:")[1].split()[0]) / 1024
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except (OSError, IndexError):
            return  # between two of them
        now = time.time()
        for name, value in (("rss_mib", rss), ("open_files", descriptors), ("database_mib", self.size() / (1 << 20)),
                            ("wal_mib", self.size("-wal") / (1 << 20))):
            self.writer.writerow([f"{now:.3f}", name, f"{value:.6g}"])
        self.samples.flush()

    def watch(self, seconds):
        """Lets it run; starts one anew that has ended by itself."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(SAMPLE_S, left))
            if self.persister.poll() is not None:
                self.tell("it ended by itself")
                self.start_persister()
            self.sample()

    def run(self, minutes):
        self.mount()
        self.configure()
        self.start_persister()
        self.replay = self.program("ring-replay", "--ring", self.ring, "--profile", "control-loop", "--speed", 20,
                                   "--now", "--json", "--lanes", LANES, "--lane-records", LANE_RECORDS,
                                   stdout=subprocess.PIPE)
        self.watch(SAMPLE_S)
        turns = [self.kill, self.reload, self.backup, self.slow_reader, self.nearly_full, self.disk_full,
                 self.stop_and_start]
        end = self.begun + minutes * 60
        while time.monotonic() < end:
            for turn in self.random.sample(turns, len(turns)):
                self.tell(turn.__name__.replace("_", " "))
                turn()
                self.watch(self.random.uniform(5, 25))
                if time.monotonic() >= end:
                    break
        self.replay.send_signal(signal.SIGTERM)
        pushed = json.loads(self.replay.communicate()[0])
        self.persister.terminate()
        self.persister.wait()
        return pushed

    def report(self, pushed):
        database = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        own = database.execute("SELECT total(count) FROM tier_1h JOIN series ON series.id = series "  # rolled up at its stop
                               "WHERE name GLOB 'ringdown_*' OR name GLOB 'process_*'").fetchone()[0]
        stored = database.execute("SELECT sum(stored) FROM cursors").fetchone()[0] - int(own)
        losses = database.execute("SELECT reason, sum(count) FROM losses GROUP BY 1").fetchall()
        database.close()
        counted = sum(count for _, count in losses)
        verify = subprocess.run([self.programs / "ring-persister", "verify", "--db", self.database, "--quiet"],
                                capture_output=True, text=True)
        print("turns:", ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items())))
        print(f"pushed {pushed['pushed']:,}  accepted {pushed['accepted']:,}  stored {stored:,}  "
              f"losses counted {counted:,} {losses}")
        print("verify:", "all holds" if verify.returncode == 0 else verify.stdout + verify.stderr)
        for name in ("rss_mib", "open_files", "database_mib", "wal_mib"):
            self.draw(name)
        return stored + counted == pushed["pushed"] and verify.returncode == 0

    def draw(self, name):
        """The curve, by the project's own programs."""
        database, ring = self.folder / "curves.db", self.ring + "-curves"
        if not database.exists():
            subprocess.run([self.programs / "ring-replay", "--ring", ring, "--csv", self.folder / "soak.csv", "--speed",
                            "max"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([self.programs / "ring-persister", "--ring", ring, "--db", database, "--until-idle"],
                           check=True, stderr=subprocess.DEVNULL)
            os.unlink(f"/dev/shm/ringdown-{ring}")
        subprocess.run([self.programs / "ring-query", "--db", database, name, "--last", "1d", "--step", "raw",
                        "--format", "plot"], check=True)

    def clean_up(self):
        for child in (self.replay, self.persister):
            if child and child.poll() is None:
                child.kill()
                child.wait()
        subprocess.run(["umount", self.disk], check=False)
        for name in (self.ring, self.ring + "-curves"):
            pathlib.Path(f"/dev/shm/ringdown-{name}").unlink(missing_ok=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("programs", type=pathlib.Path, help="where ring-persister and the tools are")
    options.add_argument("--minutes", type=float, default=120)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--folder", type=pathlib.Path, help="kept afterwards; default: one in the temporary folder")
    arguments = options.parse_args()
    folder = arguments.folder or pathlib.Path(tempfile.mkdtemp(prefix="ringdown-soak-"))
    folder.mkdir(exist_ok=True)
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes, in {folder}", flush=True)
    soak = Soak(arguments.programs, folder, arguments.seed)
    try:
        return 0 if soak.report(soak.run(arguments.minutes)) else 1
    finally:
        soak.clean_up()


if __name__ == "__main__":
    sys.exit(main())
