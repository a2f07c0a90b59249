#!/usr/bin/env python3
"""Two versions of a service side by side: each gets its part of the calls, for as long as somebody wants it."""
import copy
import math
import os
import signal
import time
import unittest

from platform_under_load import BIN, MOVED, ROLLED_BACK, SLOWNESS, Platform, alive

FRONT = {"services": ["gateway", "orchestration", "retrieval", "dataprep"]}
RATE = 200  # short requests a second; eight of ten call inference


class Versions(unittest.TestCase):
    def setUp(self):
        self.platform = Platform(self, {"front": FRONT, "stable": {"services": ["inference"]}})
        # Whoever calls the engine shows a key, so the engine knows which version it was.
        self.program = self.platform.write("canary.sh", f"#!/bin/sh\nexport ENGINE_KEY=canary\nexec {BIN} \"$@\"\n")
        os.chmod(self.program, 0o700)
        self.groups = {"front": copy.deepcopy(FRONT), "stable": {"services": ["inference"]},
                       "canary": {"services": ["inference"], "binary": self.program}}

    def share(self, canary, groups=None, outcome=MOVED, **move):
        """Gives the canary so many percent."""
        versions = {"inference": {"stable": 100 - canary, "canary": canary}}
        code, moved = self.platform.apply(groups or self.groups, versions=versions, **move)
        self.assertEqual(code, outcome, f"{moved}\n{self.platform.said()[-3000:]}")
        return moved

    def counted(self):
        return self.platform.engine_stats()["by_key"]

    def check_share(self, canary, calls=1000):
        """At the engine, from now on; within four standard deviations of fair dice."""
        begun = self.counted()
        deadline = time.monotonic() + 120 * SLOWNESS
        while True:
            seen = {key: count - begun.get(key, 0) for key, count in self.counted().items()}
            whole = sum(seen.values())
            if whole >= calls:
                break
            self.assertLess(time.monotonic(), deadline, seen)
            time.sleep(0.05)  # until another program has seen as much
        part = 100 * seen.get("Bearer canary", 0) / whole
        print(f"{canary} % wanted, {part:.1f} % of {whole} calls counted", flush=True)
        self.assertAlmostEqual(part, canary, delta=400 * math.sqrt(canary / 100 * (1 - canary / 100) / whole) + 0.01)

    def check_status(self, canary, groups=None):
        status = self.platform.check_serves(groups or self.groups)
        weights = {view["group"]: view.get("weight", 0) for view in status["clusters"] if view["service"] == "inference"}
        self.assertEqual(weights, {"stable": 100 - canary, "canary": canary})
        return status

    def check_load(self):
        load = self.platform.end_load()
        print(f"{sum(load['begun'].values())} requests, {load['failed']} failed, {load['truncated']} truncated", flush=True)
        self.assertEqual((load["failed"], load["truncated"]), (0, 0), load["reasons"])
        self.assertEqual(self.platform.engine_stats()["repeated"], [])

    def test_weights_change_under_load(self):
        self.platform.begin_load(RATE, 10, 2)
        self.assertEqual(set(self.counted()), {"Bearer usual"})
        plan = self.share(10)["plan"]
        self.assertEqual([step["action"] for step in plan], ["share"], plan)
        self.check_status(10)
        self.check_share(10)
        steps = [event["text"] for event in self.share(60)["events"] if "the calls of inference go" in event["text"]]
        self.assertEqual(len(steps), 3, "0, 50 and 100 % of the way")
        self.assertRegex(steps[1], "35 % to .*65 % to|65 % to .*35 % to")
        self.check_status(60)
        self.check_share(60)
        done = self.platform.tessera("topology", "rollback", "--data", self.platform.data, "--json")
        self.assertIn('"moved"', done.stdout)
        status = self.check_status(10)
        self.check_share(10)
        shown = {view["group"]: view for view in self.platform.status()["clusters"] if view["service"] == "inference"}
        self.assertGreater(shown["stable"]["calls"], shown["canary"]["calls"])
        self.assertGreater(shown["canary"]["calls"], 0, status)
        # Both may be scaled and the gateway may be replaced meanwhile: the parts stay.
        groups = copy.deepcopy(self.groups)
        groups["canary"]["replicas"] = 2
        groups["front"]["revision"] = "next"
        self.share(10, groups)
        self.check_status(10, groups)
        self.check_share(10)
        # A version of its own takes the place of one of them.
        groups["stable"]["revision"] = "later"
        self.share(10, groups)
        self.check_status(10, groups)
        self.check_share(10)
        # Loaded and ready, and not asked.
        self.share(0, groups)
        self.check_status(0, groups)
        self.check_share(0, calls=300)
        # The canary is the version of everybody.
        self.share(100, groups)
        groups.pop("stable")
        code, move = self.platform.apply(groups)
        self.assertEqual(code, MOVED, move)
        self.platform.check_serves(groups)
        self.check_share(100, calls=300)
        self.check_load()
        self.platform.stop()

    def test_a_restart_comes_back_to_it(self):
        self.share(30)
        self.platform.stop()
        self.platform.up()
        self.check_status(30)
        self.platform.begin_load(RATE, 2, 2)
        self.check_share(30, calls=500)
        self.check_load()
        self.platform.stop()

    def test_a_version_that_fails_gets_no_more(self):
        """What it has stays: that is for whoever gave it to say."""
        self.groups["canary"]["faults"] = [{"method": "tessera.v1.Inference.Embed", "abort_percent": 30, "abort_code": "INTERNAL"}]
        self.share(10, errors_max=100)
        self.platform.begin_load(RATE, 2, 2)
        moved = self.share(40, outcome=ROLLED_BACK, step_time="5s")
        self.assertIn("the new instances fail", moved["reason"])
        self.check_status(10)
        # Taking it away asks nobody how it does.
        code, move = self.platform.apply({"front": FRONT, "stable": {"services": ["inference"]}})
        self.assertEqual(code, MOVED, move)
        self.platform.end_load()
        self.platform.stop()

    def test_a_dead_version_leaves_its_calls_to_the_others(self):
        self.share(50)
        self.platform.begin_load(RATE, 4, 2)
        os.chmod(self.program, 0o600)  # it cannot be started again
        pid = next(view["processes"][0]["pid"] for view in self.platform.status()["groups"] if view["name"] == "canary")
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10 * SLOWNESS
        while alive(pid):
            self.assertLess(time.monotonic(), deadline)
        time.sleep(1)  # what is counted comes after the moment of its death
        self.check_share(0, calls=300)
        os.chmod(self.program, 0o700)
        deadline = time.monotonic() + 60 * SLOWNESS
        while "Bearer canary" not in self.seen_since(self.counted()):
            self.assertLess(time.monotonic(), deadline, self.platform.said()[-3000:])
        self.check_status(50)
        self.check_share(50)
        load = self.platform.end_load()
        print(f"{sum(load['begun'].values())} requests, failed by kind {load['failed_by']}", flush=True)
        # Whose only instance was killed: an answer that had begun is told to have failed, the rest is asked again.
        self.assertEqual({kind: load["failed_by"][kind] for kind in ("embed", "search", "models")},
                         {"embed": 0, "search": 0, "models": 0}, load["reasons"])
        self.platform.stop()

    def seen_since(self, begun):
        time.sleep(0.2)  # of a load of another program
        return {key for key, count in self.counted().items() if count > begun.get(key, 0)}


if __name__ == "__main__":
    unittest.main()
