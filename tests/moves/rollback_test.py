#!/usr/bin/env python3
"""New instances that are worse than the old ones go away by themselves, and clients hardly notice."""
import copy
import os
import re
import time
import unittest

from platform_under_load import ROLLED_BACK, SLOWNESS, Platform, alive

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


if __name__ == "__main__":
    unittest.main()
