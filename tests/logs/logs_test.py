#!/usr/bin/env python3
"""The log of a whole platform, from outside: all its processes in one place, levels changed while it serves, nothing that is
secret, and sinks that are away, slow or mad while requests go on."""
import json
import os
import signal
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from log_platform import Platform, Sink, name_of, memory_bytes, wait_until  # noqa: E402

QUICK = "sending: {delay: 50ms, retry_min: 50ms, retry_max: 200ms, timeout: 2s%s}"


def elasticsearch(sink, more=""):
    return "logs:\n  per_second: 0\n  elasticsearch:\n    url: %s\n    %s\n" % (sink.url, QUICK % more)


class AllProcesses(unittest.TestCase):
    def test_records_levels_and_the_tail_of_all_processes(self):
        platform = Platform(self, topology="each.yaml", options=("--log-format", "json")).start()
        trace = uuid.uuid4().hex
        parent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        platform.ingest()
        self.assertEqual(platform.logs(trace=trace)["records"], [])
        # A level holds in every process when the call returns.
        levels = platform.command("logs", "level", "debug")
        self.assertRegex(levels, r"\(others\) +debug")
        platform.ask(headers=parent)
        records = platform.logs(trace=trace)["records"]
        processes = {record["process"] for record in records}
        self.assertIn("gateway", processes)
        self.assertGreaterEqual(len(processes), 3, records)
        self.assertEqual([r["time_us"] for r in records], sorted(r["time_us"] for r in records))
        self.assertTrue(all(record["trace_id"] == trace and record["request_id"] for record in records))
        # By module only; the shortest form of the command sets it back.
        platform.command("logs", "level", "info")
        platform.command("logs", "level", "remote", "debug")
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        modules = {record["module"] for record in platform.logs(trace=trace)["records"]}
        self.assertEqual(modules, {"remote"})
        shown = platform.command("logs", "--trace", trace)
        self.assertIn("a call was answered", shown)
        platform.command("logs", "level", "remote", "default")
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        self.assertEqual(platform.logs(trace=trace)["records"], [])
        self.a_tail_gets_what_comes(platform)
        self.what_a_killed_process_said_is_kept(platform)
        platform.stop()
        self.every_line_is_a_document(platform)

    def a_tail_gets_what_comes(self, platform):
        platform.command("logs", "level", "edge", "debug")
        seen = []
        threading.Thread(target=lambda: read_some(platform, seen), daemon=True).start()
        wait_until(lambda: seen)
        for _ in range(3):
            platform.call("/api/v1/system")
        self.assertTrue(wait_until(lambda: [r for r in seen[1:] if r["fields"].get("route") == "/api/v1/system"], 20), seen)
        platform.command("logs", "level", "edge", "default")

    def what_a_killed_process_said_is_kept(self, platform):
        platform.command("logs", "level", "debug")
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        pid = next(r["pid"] for r in platform.logs(trace=trace)["records"] if r["process"] != "gateway")
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        time.sleep(1)  # its last second may be lost, no more
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_until(lambda: platform.logs(text="ended", module="control")["records"]))
        self.assertIn(pid, {r["pid"] for r in platform.logs(trace=trace)["records"]})
        self.a_level_holds_in_what_starts_later(platform, pid)
        platform.command("logs", "level", "info")

    def a_level_holds_in_what_starts_later(self, platform, dead):
        """In its first records already; and after another gateway has taken over, in every process."""
        started = wait_until(lambda: [r for r in platform.logs(text="a process started", module="control")["records"]
                                      if r["fields"]["process"] not in ("", "gateway") and int(r["fields"]["pid"]) != dead])
        self.assertTrue(started)
        trace = uuid.uuid4().hex
        wait_until(lambda: platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}) is not None)
        topology = json.loads(platform.command("topology", "status", "--json"))
        reborn = next(p for g in topology["groups"] for p in g["processes"] if p.get("restarts"))
        self.assertTrue(wait_until(lambda: [r for r in platform.logs(level="debug", process=reborn["name"])["records"]
                                            if r["pid"] == reborn["pid"] and r["level"] == "debug"]))
        replaced = topology["yaml"].replace("  gateway:\n", '  gateway:\n    revision: "other"\n')
        path = os.path.join(platform.folder, "replaced.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(replaced)
        platform.command("topology", "apply", path)
        self.assertRegex(platform.command("logs", "level"), r"\(others\) +debug")
        trace = uuid.uuid4().hex
        platform.ask(headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        records = platform.logs(trace=trace)["records"]
        self.assertIn("debug", {r["level"] for r in records if r["process"] == "gateway"}, records)

    def every_line_is_a_document(self, platform):
        documents = [json.loads(line) for line in platform.said().splitlines()]
        self.assertNotIn("/login?token=", platform.said())
        self.assertIn("serving", [document["message"] for document in documents])
        self.assertGreater(len(documents), 10)
        for document in documents:
            for field in ("@timestamp", "log.level", "message", "ecs.version", "log.logger", "service.node.name"):
                self.assertIn(field, document)
        self.assertGreaterEqual(len({d["service.node.name"] for d in documents}), 4)


def read_some(platform, seen):
    with platform.request("/admin/v1/logs/events?module=edge&level=debug") as reply:
        seen.append(reply.status)
        for line in reply:
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))


class Secrets(unittest.TestCase):
    def test_no_planted_secret_and_no_prompt_is_in_any_log(self):
        secret = "planted-" + uuid.uuid4().hex
        prompt = "prompt" + uuid.uuid4().hex
        document = "document" + uuid.uuid4().hex
        sink = Sink(self)
        config = elasticsearch(sink).replace("    url:", "    api_key: ${env:PLANTED}\n    url:")
        config += "  redact: {email: true}\nserver:\n  api_keys:\n    - {name: ci, key: '${env:PLANTED_KEY}', scopes: ['*']}\n"
        key = "planted-" + uuid.uuid4().hex
        platform = Platform(self, config, topology="three.yaml", options=("--log-level", "debug", "--log-format", "json"),
                            environment={"PLANTED": secret, "PLANTED_KEY": key, "MY_PASSWORD": secret + "x"}).start()
        platform.ingest(f"The {document} was written by someone@example.org.\n\nThe {prompt} is known.", name="plain.txt")
        platform.ask(f"What is {prompt}?")
        hostile = [
            ("/v1/chat/completions", {"model": prompt, "messages": [{"role": "user", "content": prompt}]}),
            ("/v1/chat/completions", {"model": "rag", "messages": prompt}),
            ("/api/v1/collections/" + prompt + "/documents", {"links": [f"http://user:{secret}@127.0.0.1:1/{prompt}"]}),
            (f"/api/v1/search?key={secret}", {"query": prompt}),
            ("/v1/embeddings", {"model": "x", "input": [document, prompt]}),
        ]
        for path, body in hostile:
            for given in (platform.key, key, "wrong-" + secret):
                try:
                    platform.request(path, body, {"X-Api-Key": secret, "Cookie": f"tessera_session={secret}"}, key=given).close()
                except OSError:
                    pass
        records = platform.logs(limit=10000)["records"]
        self.assertTrue(any(r["message"] == "a request was answered" for r in records))
        owner = platform.key
        platform.stop()
        everything = {"output": platform.said(), "admin API": json.dumps(records), "sink": json.dumps(list(sink.documents.values()))}
        self.assertGreater(len(sink.documents), 20)
        # The link that signs in is printed for the one who starts the server; it is no record.
        for where, text in everything.items():
            for planted in (secret, key, prompt, document, "someone@example.org", owner):
                self.assertNotIn(planted, text, where)

    def test_the_test_above_would_find_one(self):
        """A canary: a field that nobody hides is found in the same places."""
        sink = Sink(self)
        platform = Platform(self, elasticsearch(sink), options=("--log-level", "edge=debug", "--log-format", "json")).start()
        platform.call("/api/v1/system")
        self.assertTrue(wait_until(lambda: any("/api/v1/system" in json.dumps(d) for d in list(sink.documents.values()))))
        self.assertIn("/api/v1/system", platform.said())
        platform.stop()


class Sinks(unittest.TestCase):
    """While a sink misbehaves requests take no longer, and afterwards it has every record once."""
    seconds = float(os.environ.get("TESSERA_TEST_SINK_SECONDS", "3"))

    def load(self, platform, seconds):
        """Requests in one go, each of which writes a record; the time of each."""
        times = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            start = time.monotonic()
            platform.call("/api/v1/system")
            times.append(time.monotonic() - start)
        return sorted(times)

    def everything_arrives_once(self, platform, sink, but=0):
        """All records that the platform kept, except those that were counted as lost."""
        platform.command("logs", "level", "error")  # so that no more comes
        platform.command("logs", "level", "edge", "error")
        records = {name_of(r): r for r in platform.logs(limit=10000)["records"]}
        wanted = set(records)
        missing = lambda: wanted - set(sink.documents) - sink.rejected  # noqa: E731
        wait_until(lambda: len(missing()) <= but, 60)
        self.assertEqual(len(missing()), but, list(missing())[:3])
        self.assertEqual(len(sink.order), len(set(sink.order)))
        return records

    def test_a_sink_that_is_killed_refuses_is_slow_or_mad_gets_all_of_it_later(self):
        sink = Sink(self)
        platform = Platform(self, elasticsearch(sink), options=("--log-level", "edge=debug")).start()
        well = self.load(platform, self.seconds)
        before = memory_bytes(platform.process.pid)
        for mode in ("stopped", "refusing", "garbage", "slow", "some"):
            if mode == "stopped":
                sink.stop()
            else:
                sink.mode = mode
                if sink.server is None:
                    sink.start()
            times = self.load(platform, self.seconds)
            # Two shared processors: the middle and the slow ones within what such a machine varies anyway.
            print(f"{mode}: p50 {times[len(times) // 2] * 1e3:.2f} ms, p99 {times[len(times) * 99 // 100] * 1e3:.2f} ms, "
                  f"{len(times)} requests; well: p50 {well[len(well) // 2] * 1e3:.2f} ms, p99 {well[len(well) * 99 // 100] * 1e3:.2f} ms", flush=True)
            self.assertLess(times[len(times) // 2], 3 * well[len(well) // 2] + 0.005, mode)
            self.assertLess(memory_bytes(platform.process.pid) - before, 64 << 20, mode)
        sink.mode = "some"
        self.everything_arrives_once(platform, sink)
        self.assertEqual(platform.metric("tessera_log_dropped_total", where="elasticsearch_rejected"), len(sink.rejected))
        self.assertEqual(platform.metric("tessera_log_dropped_total", where="elasticsearch_spool"), 0)
        self.assertGreater(len(sink.rejected), 0)
        # In order: what came first is stored first, but for items that were refused and came again.
        plain = [sink.documents[name]["event.sequence"] for name in sink.order if name not in sink.refused_once]
        self.assertEqual(plain, sorted(plain))
        platform.stop()

    def test_what_waits_for_a_sink_outlives_the_killed_process(self):
        sink = Sink(self)
        platform = Platform(self, elasticsearch(sink), options=("--log-level", "edge=debug")).start()
        sink.stop()
        for _ in range(200):
            platform.call("/api/v1/system")
        wanted = {name_of(r) for r in platform.logs(limit=10000)["records"]}
        self.assertTrue(wait_until(lambda: platform.metric("tessera_log_sink_waiting") >= 200))
        platform.kill()
        sink.start()
        platform.start()
        self.assertTrue(wait_until(lambda: wanted <= set(sink.documents)), len(wanted - set(sink.documents)))
        platform.stop()

    def test_beyond_the_spools_bound_drops_are_counted_exactly(self):
        sink = Sink(self)
        platform = Platform(self, elasticsearch(sink, ", spool_max: 1MiB"), options=("--log-level", "edge=debug")).start()
        sink.stop()
        dropped = lambda: platform.metric("tessera_log_dropped_total", where="elasticsearch_spool")  # noqa: E731
        size = lambda: sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(platform.data + "/outbound") for name in names)  # noqa: E731
        while dropped() == 0:
            for _ in range(500):
                platform.call("/api/v1/system")
            self.assertLess(size(), (1 << 20) + 4096)
        for _ in range(100):
            platform.call("/api/v1/system")
        platform.command("logs", "level", "error")
        platform.command("logs", "level", "edge", "error")
        records = {name_of(r) for r in platform.all_logs()}
        lost = int(dropped())
        sink.start()
        self.assertTrue(wait_until(lambda: len(records - set(sink.documents)) == lost), (len(records - set(sink.documents)), lost))
        # Once there is room the log says what is missing.
        platform.command("logs", "level", "edge", "debug")
        platform.call("/api/v1/system")
        told = lambda: [d for d in list(sink.documents.values()) if "spool was full" in d["message"]]  # noqa: E731
        self.assertTrue(wait_until(told))
        self.assertEqual(sum(int(d["labels"]["records"]) for d in told()), lost)
        platform.stop()

    def test_an_output_that_nobody_reads_holds_up_nobody(self):
        platform = Platform(self, "logs: {per_second: 0}\n", options=("--log-level", "edge=debug"))
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        platform.output = f"/proc/self/fd/{writing}"
        os.set_inheritable(writing, True)
        platform.said = lambda: ""
        platform.start()
        os.close(writing)
        for _ in range(2500):
            platform.call("/api/v1/system")
        self.assertGreater(len(platform.logs(limit=10000)["records"]), 2000)
        platform.stop()


if __name__ == "__main__":
    unittest.main()
