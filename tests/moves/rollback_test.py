#!/usr/bin/env python3
"""New instances that are worse than the old ones go away by themselves, and clients hardly notice."""
import copy
import os
import re
import signal
import threading
import time
import unittest

from platform_under_load import BIN, ROLLED_BACK, SLOWNESS, NewClients, Platform, alive, platform_processes, serving_processes

GROUPS = {"front": {"services": ["gateway", "orchestration", "retrieval", "dataprep"]},
          "inference": {"services": ["inference"]}}
STEPS, STEP_SECONDS = [10, 50, 100], 3
REAL = {"p50_max": 2.0, "p99_max": 3.0, "slack": "5ms"}  # the defaults of a move


class Rollback(unittest.TestCase):

    def setUp(self):
        self.platform = Platform(self, GROUPS, embed_ms=20)
        self.platform.begin_load(100, 10, 3)

    def canary(self, within, reason, allowed=lambda move: 0, limits=None, **group):
        """The changed group is rolled back within so many seconds; the load sees `allowed` failures at most."""
        wanted = copy.deepcopy(GROUPS)
        wanted["inference"] |= {"revision": "canary"} | group
        before = {view["name"]: view["processes"] for view in self.platform.status()["groups"]}
        begun = time.monotonic()
        code, move = self.platform.apply(wanted, steps=STEPS, step_time=f"{STEP_SECONDS}s", **(limits or {}))
        took = time.monotonic() - begun
        judged = next((event["at_ms"] for event in move["events"] if event["text"].startswith("rolling back")), 0)
        self.assertEqual(code, ROLLED_BACK, move)
        self.assertRegex(move["reason"], reason)
        judged_after = (judged - move["started_ms"]) / 1000
        self.assertLess(judged_after, within * SLOWNESS, move)
        after = self.platform.check_serves(GROUPS)
        self.assertEqual({view["name"]: [one["pid"] for one in view["processes"]] for view in after["groups"]},
                         {name: [one["pid"] for one in processes] for name, processes in before.items()})
        load = self.platform.end_load()
        print(f"{self._testMethodName}: judged after {judged_after:.1f} s, over after {took:.1f} s; "
              f"{load['failed']} failed, {load['truncated']} truncated of {sum(load['begun'].values())}; {move['reason']}",
              flush=True)
        self.assertLessEqual(load["failed"], allowed(move), load["reasons"])
        self.assertEqual(load["truncated"], 0, load["reasons"])
        self.platform.stop()

    def script(self, text):
        path = self.platform.write("canary.sh", f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o700)
        return path

    def test_two_percent_errors(self):
        """As many failures as the canary made: those that it was judged by, and what was on its way meanwhile."""
        def its_own(move):
            return int(re.search(r"fail: (\d+) of", move["reason"])[1]) + 3
        self.canary(within=10 + STEP_SECONDS * len(STEPS), reason="the new instances fail", allowed=its_own,
                    faults=[{"method": "tessera.v1.Inference.", "abort_percent": 2, "abort_code": "INTERNAL"}])

    def test_errors_that_retries_hide(self):
        self.canary(within=10 + STEP_SECONDS * len(STEPS), reason="the new instances fail",
                    allowed=lambda move: int(re.search(r"fail: (\d+) of", move["reason"])[1]) + 3,
                    faults=[{"method": "tessera.v1.Inference.", "abort_percent": 5, "abort_code": "UNAVAILABLE"}])

    def test_three_times_slower(self):
        """An embedding takes 20 ms; there, 60."""
        self.canary(within=10 + STEP_SECONDS * len(STEPS), reason="p50|p99|slow", limits=REAL,
                    faults=[{"method": "tessera.v1.Inference.", "delay_percent": 100, "delay": "40ms"}])

    def test_crashes_at_start(self):
        self.canary(within=5, reason="ended", binary=self.script("exit 9"))

    def test_never_answers(self):
        """Until start_timeout."""
        told = os.path.join(self.platform.root, "pid")
        self.canary(within=10, reason="does not answer|deadline|time", limits={"start_timeout": f"{int(3 * SLOWNESS)}s"},
                    binary=self.script(f"echo $$ > {told}\nexec sleep 600"))
        with open(told) as file:
            self.assertFalse(alive(int(file.read())))


class GatewayRollback(unittest.TestCase):
    """The same of a process that is to take the gateway's place: the first one goes on."""
    GROUPS = {"front": {"services": ["gateway"]}, "rest": {"services": ["orchestration", "inference", "retrieval", "dataprep"]}}

    def setUp(self):
        self.platform = Platform(self, self.GROUPS)
        self.new_clients = NewClients(self.platform.port)
        self.addCleanup(self.new_clients.end)
        self.platform.begin_load(60, 6, 2)

    def successor(self, script, reason, lost=0, **move):
        """Rolled back; what clients lost were `lost` requests at most."""
        path = self.platform.write("successor.sh", f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o700)
        wanted = copy.deepcopy(self.GROUPS)
        wanted["front"]["binary"] = path
        code, move = self.platform.apply(wanted, **move)
        self.assertEqual(code, ROLLED_BACK, move)
        self.assertRegex(move["reason"], reason)
        status = self.platform.check_serves(self.GROUPS)
        self.assertEqual(next(view["processes"][0]["pid"] for view in status["groups"] if view["name"] == "front"),
                         self.platform.process.pid)
        self.assertEqual(platform_processes(self.platform.data), serving_processes(self.platform.data))
        load = self.platform.end_load()
        self.new_clients.end()
        print(f"{self._testMethodName}: {load['failed']} failed, {load['truncated']} truncated of {sum(load['begun'].values())}; "
              f"{len(self.new_clients.failed)} of {self.new_clients.answered} new connections; {move['reason']}", flush=True)
        self.assertLessEqual(load["failed"], lost, load["reasons"])
        self.assertEqual(load["truncated"], 0, load["reasons"])
        self.assertLessEqual(len(self.new_clients.failed), lost, self.new_clients.failed)
        self.platform.stop()

    def test_crashes_at_start(self):
        self.successor("exit 9", "ended")

    def test_never_answers(self):
        self.successor("exec sleep 600", "does not answer|deadline|time", start_timeout=f"{int(3 * SLOWNESS)}s")

    def test_cannot_do_its_work(self):
        """It cannot write files, so it takes no upload: only the gateway notices."""
        over = threading.Event()
        codes = []

        def upload(number):
            while not over.wait(0.02):
                codes.append(self.platform.upload(f"note-{number}-{len(codes)}.txt"))

        writers = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        try:
            self.successor(f"trap '' XFSZ; ulimit -f 0; exec {BIN} \"$@\"", "the new instances fail", step_time="4s")
        finally:
            over.set()
            for writer in writers:
                writer.join()
        self.assertGreater(len([code for code in codes if code == 202]), 20, codes)

    def test_stands_still(self):
        """Stopped when it has connections: it is killed, and they are lost; nothing else is."""
        done = threading.Event()

        def stop_it():
            while not done.wait(0.01):
                move = self.platform.status().get("move", {})
                found = serving_processes(self.platform.data, (b"succeed",))
                if move.get("step", "").startswith("both gateways") and found:
                    os.kill(found.pop(), signal.SIGSTOP)
                    return

        stopper = threading.Thread(target=stop_it)
        stopper.start()
        try:
            self.successor(f"exec {BIN} \"$@\"", ".", lost=60, step_time="2s", drain_timeout="2s")
        finally:
            done.set()
            stopper.join()


if __name__ == "__main__":
    unittest.main()
