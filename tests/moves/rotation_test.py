#!/usr/bin/env python3
"""Certificates are renewed under load, in every process: no request fails, no answer is cut, no connection is refused.

rotation_test.py [short|long]
"""
import collections
import json
import os
import re
import sys
import time
import unittest

from platform_under_load import SERVICES, SLOWNESS, Platform

MODE = "short"
#                 seconds, short requests a second, streams, seconds of each: longer than a certificate lives
SIZES = {"short": (30, 100, 20, 22), "long": (600, 300, 100, 30)}
LIFETIME = 20  # seconds; renewed after 7.5 to 12.5
CONFIG = f"identity: {{lifetime: {LIFETIME}s}}\n"


class Rotation(unittest.TestCase):
    def test_nobody_notices_that_certificates_are_renewed(self):
        seconds, rate, streams, stream_seconds = SIZES[MODE]
        platform = Platform(self, {name: {"services": [name]} for name in SERVICES}, config=CONFIG)
        before = self.issued(platform)
        platform.begin_load(rate, streams, stream_seconds)
        wanted = seconds // 15  # renewals of each process
        until = time.monotonic() + seconds
        while time.monotonic() < until or min(self.renewals(platform, before)) < wanted:
            self.assertLess(time.monotonic(), until + 60 * SLOWNESS, f"renewed: {self.renewals(platform, before)}")
            time.sleep(0.5)  # of load
        load = platform.end_load()
        engine = platform.engine_stats()
        print({key: load[key] for key in ("begun", "failed", "truncated", "p50_ms", "p99_ms", "max_ms")},
              "renewals:", self.renewals(platform, before), flush=True)
        self.assertEqual((load["failed"], load["truncated"]), (0, 0), load["reasons"])
        self.assertEqual(load["begun"], load["ended"])
        called = load["begun"]["chat"] + load["begun"]["stream"]
        self.assertEqual((engine["repeated"], engine["distinct"], engine["chats"]), ([], called, called))
        self.assertEqual((engine["open"], engine["cut"]), (0, 0))
        self.assertEqual([event for event in self.audit(platform) if event.endswith("_refused")], [])
        platform.stop()
        self.assertNotRegex(platform.said(), "not renewed|no new identity")

    @staticmethod
    def issued(platform):
        """{group: certificates}, of all processes."""
        return collections.Counter(re.findall(r"issued a certificate.*?spiffe://tessera/([a-z0-9-]+)/", platform.said()))

    def renewals(self, platform, before):
        now = self.issued(platform)
        self.assertEqual(len(now), len(SERVICES), now)
        return sorted(count - before[group] for group, count in now.items())

    @staticmethod
    def audit(platform):
        path = os.path.join(platform.data, "audit.jsonl")
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [json.loads(line)["event"] for line in file]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        MODE = sys.argv.pop(1)
    unittest.main()
