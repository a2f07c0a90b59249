#!/usr/bin/env python3
"""The store of traces under load: it stays in its bounds, keeps what failed, counts what it drops, and is searched quickly.

store_test.py [short|long]: 200 requests a second for a quarter of a minute, or 1,000 for ten minutes."""
import json
import os
import sqlite3
import sys
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "moves"))
from platform_traces import read_figures  # noqa: E402
from platform_under_load import Platform  # noqa: E402
from servers import wait_for  # noqa: E402

# requests a second, errors a second, seconds, bytes of the store, most chosen traces a second
SIZES = {"short": (200, 20, 15, 2 << 20, 50), "long": (1000, 10, 600, 64 << 20, 100)}
MODE = "short"
SEARCH_P99_MS = 100
BROKEN = """\
      broken: {{base_url: "http://127.0.0.1:1/v1"}}
telemetry:
  traces: {{sampler: always_on, store_bytes_max: {bytes}, sampled_per_second: {sampled}}}
"""


class Asker:
    """Does one thing again and again, until its end."""

    def __init__(self, every, what):
        self.every, self.what, self.wrong = every, what, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        due = time.monotonic()
        while not self.over.is_set():
            try:
                self.what()
            except (OSError, ValueError) as error:
                self.wrong.append(repr(error))
            due = max(due + self.every, time.monotonic())
            self.over.wait(due - time.monotonic())

    def end(self):
        self.over.set()
        self.thread.join()


class Store(unittest.TestCase):
    def test_it_stays_in_its_bounds_and_counts(self):
        rate, errors, seconds, room, sampled = SIZES[MODE]
        self.platform = Platform(self, config=BROKEN.format(bytes=room, sampled=sampled))
        self.failed, self.searches, self.largest = [], [], 0
        self.platform.begin_load(rate, 0, 0)
        askers = [Asker(1 / errors, self.fail_once), Asker(0.05, self.search), Asker(0.25, self.look_at_size)]
        time.sleep(seconds)  # how long the load lasts is what the test is about
        for asker in askers:
            asker.end()
            self.assertEqual(asker.wrong, [])
        load = self.platform.end_load()
        self.assertEqual((load["failed"], load["truncated"]), (0, 0), load["reasons"])
        self.assertGreaterEqual(sum(load["begun"].values()), 0.9 * rate * seconds)

        figures = wait_for("what was taken is written", 20, self.settled)
        kept, failed = self.kept()
        print(f"{figures}\n{load['begun']}, {len(self.failed)} errors; kept {len(kept)}, of them failed {len(failed)}; "
              f"the file had {self.largest / room:.2f} of its bound at most")
        self.assertEqual(figures["requests"], figures["stored"] + figures["dropped"] + figures["no_room"], figures)
        # One part each, but for the upload, whose job is a part of its own.
        self.assertEqual(len(kept) + 1, figures["stored"] - figures["evicted"], figures)
        self.assertGreater(figures["evicted"], 0, "the store was never full: the test shows nothing")
        self.assertGreater(figures["dropped"], 0, "nothing was above the rate: the test shows nothing")
        self.assertLessEqual(self.largest, 1.25 * room + (8 << 20))
        self.check_errors(failed, room)
        self.tell_searches()
        self.platform.stop()

    def check_errors(self, kept, room):
        """What failed is there, the newest first, as far as a quarter of the room reaches."""
        sent = [trace for trace in self.failed]
        there = [trace for trace in sent if trace in kept]
        self.assertEqual(there, sent[-len(there):], "an error is missing that is newer than one that is kept")
        if len(there) < len(sent):
            self.assertGreater(sum(kept.values()), 0.9 * room / 4 - (1 << 18), "errors were dropped before their room was full")

    def settled(self):
        """The counts, once they stand still."""
        before = self.figures()
        time.sleep(1.2)  # two rounds of the collector
        after = self.figures()
        return after if before == after else None

    def figures(self):
        found = {"requests": 0, "no_room": 0, "stored": 0, "dropped": 0, "evicted": 0}
        names = {"tessera_trace_requests_total": "requests", "tessera_trace_requests_dropped_total": "no_room",
                 "tessera_trace_fragments_kept_total": "stored", "tessera_trace_store_dropped_total": "dropped",
                 "tessera_trace_store_evicted_total": "evicted"}
        for name, _, value in read_figures(self.get("/metrics")):
            if name in names:
                found[names[name]] += int(value)
        return found

    def kept(self):
        """{trace id: bytes} of all, and of those that failed."""
        file = sqlite3.connect(f"file:{self.platform.data}/traces.db?mode=ro", uri=True)
        rows = file.execute("SELECT trace_id, bytes, failed FROM traces").fetchall()
        file.close()
        return {row[0]: row[1] for row in rows}, {row[0]: row[1] for row in rows if row[2]}

    def look_at_size(self):
        names = [os.path.join(self.platform.data, "traces.db" + suffix) for suffix in ("", "-wal")]
        self.largest = max(self.largest, sum(os.path.getsize(name) for name in names if os.path.exists(name)))

    def get(self, path):
        request = urllib.request.Request(self.platform.url + path, headers={"Authorization": f"Bearer {self.platform.key}"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.read().decode()

    def fail_once(self):
        trace = f"{time.time_ns():032x}"
        request = urllib.request.Request(
            self.platform.url + "/v1/chat/completions",
            json.dumps({"model": "broken", "messages": [{"role": "user", "content": "hello"}]}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.platform.key}",
             "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        try:
            urllib.request.urlopen(request, timeout=20).read()
            raise ValueError("a model that is not there has answered")
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise ValueError(f"status {error.code}: {error.read()}") from error
        self.failed.append(trace)

    def search(self):
        last = self.failed[-1] if self.failed else "0" * 32
        asks = ({}, {"error": "true"}, {"route": "embeddings", "http_status": 200}, {"text": "paced"},
                {"text": "broken"}, {"duration_ms_min": 5, "limit": 20}, {"request_id": "run1-100"})
        path = "/admin/v1/traces?" + urllib.parse.urlencode(asks[len(self.searches) % len(asks)])
        if len(self.searches) % 10 == 9:
            path = f"/admin/v1/traces/{last}"
        begun = time.perf_counter()
        try:
            self.get(path)
        except urllib.error.HTTPError as error:
            if error.code != 404:  # of the one that was not yet written
                raise ValueError(f"{path}: {error.code}") from error
        self.searches.append((1000 * (time.perf_counter() - begun), path))

    def tell_searches(self):
        values = sorted(self.searches)
        p50, p99 = (values[int(part * (len(values) - 1))][0] for part in (0.5, 0.99))
        print(f"{len(values)} searches under load: p50 {p50:.1f} ms, p99 {p99:.1f} ms; the slowest {values[-3:]}", flush=True)
        if MODE == "long":
            self.assertLessEqual(p99, SEARCH_P99_MS)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        MODE = sys.argv.pop(1)
    unittest.main()
