#!/usr/bin/env python3
"""Profiles of a platform under load, read by pprof itself where Go is there, and by hand."""
import gzip
import json
import os
import re
import shutil
import subprocess
import threading
import unittest
import urllib.error
import urllib.request

from platform_traces import PLANTED_PROMPT, TOPOLOGY, Case
from protobuf_wire import wire_fields

READER = "profile-reader-0123456789"
# Functions that searches cannot do without, and the group of deploy/topologies/each.yaml that they run in.
EXPECTED = {"gateway": "tessera::HttpConnection::", "retrieval": "tessera::LocalRetrieval::Search",
            "orchestration": "tessera::", "inference": "tessera::LocalInference::Embed"}


def fields(data):
    """Of a protobuf message: (number, value)."""
    for number, kind, value in wire_fields(data):
        assert kind in (0, 2), kind
        yield number, value


def packed(data):
    return [value for _, value in fields(b"".join(b"\x08" + part for part in re.findall(rb"[\x80-\xff]*[\x00-\x7f]", data)))]


class Pprof:
    """As https://github.com/google/pprof/blob/main/proto/profile.proto has it."""

    def __init__(self, file):
        all_fields = list(fields(gzip.decompress(file)))
        of = lambda number: [value for key, value in all_fields if key == number]  # noqa: E731
        self.texts = [text.decode() for text in of(6)]
        assert self.texts[0] == ""
        self.types = [self.texts[dict(fields(one))[1]] for one in of(1)]
        names = {dict(fields(one))[1]: self.texts[dict(fields(one))[2]] for one in of(5)}
        calls = {dict(fields(one))[1]: names[dict(fields(dict(fields(one))[4]))[1]] for one in of(4)}
        self.samples = []
        for sample in of(2):
            one, labels = dict(fields(sample)), {}
            for label in (dict(fields(value)) for key, value in fields(sample) if key == 3):
                labels[self.texts[label[1]]] = self.texts[label.get(2, 0)]
            self.samples.append(([calls[place] for place in packed(one[1])], packed(one[2]), labels))

    def sum(self, part="", type="", **labels):
        """Of the samples with a function whose name has `part` in it."""
        column = self.types.index(type) if type else 0
        return sum(values[column] for calls, values, has in self.samples
                   if labels.items() <= has.items() and any(part in call for call in calls))

    def processes(self):
        return {labels["process"] for _, _, labels in self.samples}


class Profiles(Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.write("reader.key", READER), 0o600)
        config = self.write("tessera.yaml", "server: {api_keys: [{name: reader, key: '${file:%s}', scopes: [retrieval.read]}]}\n"
                            % self.path("reader.key"))
        self.data = self.path("data")
        self.server = self.start(self.data, "--config", config)
        pages = [f"Paragraph {i} is about turbine {i * 7} and the pumps of hall {i % 13}." for i in range(100)]
        self.tessera("ingest", self.write("turbines.txt", "\n\n".join(pages)), "--data", self.data)
        self.stop = threading.Event()
        self.load = [threading.Thread(target=self.search) for _ in range(3)]
        for thread in self.load:
            thread.start()
        self.addCleanup(self.end_load)

    def end_load(self):
        self.stop.set()
        for thread in self.load:
            thread.join()

    def search(self):
        body = json.dumps({"query": f"turbine {PLANTED_PROMPT}"}).encode()
        while not self.stop.is_set():
            status, _, said = self.fetch("/v1/vector_stores/default/search", body=body)
            assert status == 200, said

    def fetch(self, path, key=None, body=None):
        """(status, headers, bytes)"""
        request = urllib.request.Request(self.server.url + path, body, {"Content-Type": "application/json",
                                         "Authorization": f"Bearer {key or self.server.key()}"})
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def profile(self, *words):
        out = self.path("profile.pb.gz")
        self.tessera("profile", *words, "--out", out, "--data", self.data)
        with open(out, "rb") as file:
            return Pprof(file.read())

    def test_cpu_of_all_processes(self):
        profile = self.profile("cpu", "--seconds", "4")
        self.assertEqual(profile.types, ["samples", "cpu"])
        everything = profile.sum()
        self.assertGreater(everything, 20)
        for group, function in EXPECTED.items():
            where = {"group": group} if TOPOLOGY == "each.yaml" else {}
            self.assertGreater(profile.sum(function, **where), 0, (group, function))
        # Nobody else does that.
        if TOPOLOGY == "each.yaml":
            self.assertGreaterEqual(len(profile.processes()), 4)
            self.assertEqual(profile.sum("tessera::LocalRetrieval::Search", group="gateway"), 0)
        # Our own code is named, whatever it calls; the model's threads are another library's.
        self.assertGreater(profile.sum("tessera::"), 20)
        self.assertGreater(profile.sum("[libopenvino"), 20)
        texts = "\n".join(profile.texts)
        for secret in (PLANTED_PROMPT, self.server.key(), self.root, "/"):
            self.assertNotIn(secret, texts.replace("operator/", ""))
        if shutil.which("go"):
            said = subprocess.run(["go", "tool", "pprof", "-top", "-cum", self.path("profile.pb.gz")], capture_output=True,
                                  text=True, env=os.environ | {"HOME": self.root, "PPROF_TMPDIR": self.root})
            self.assertEqual(said.returncode, 0, said.stderr)
            self.assertIn("File: tessera", said.stdout)
            self.assertIn("tessera::LocalRetrieval::Search", said.stdout)

    def test_each_group_answers_for_itself(self):
        for group in {"gateway", "retrieval", "inference"} if TOPOLOGY == "each.yaml" else {"all"}:
            out, _ = self.tessera("profile", "cpu", "--group", f"{group}#0", "--seconds", "1", "--format", "collapsed",
                                  "--data", self.data)
            self.assertTrue(out, group)
            for line in out.splitlines():
                self.assertRegex(line, rf"^{group}(-0)?;[^;]+;.* \d+$")
        _, said = self.tessera("profile", "cpu", "--group", "nobody", "--data", self.data, code=1)
        self.assertIn("no process runs as", said)

    def test_heap(self):
        if os.environ.get("TESSERA_TEST_SLOWNESS", "1") != "1":
            status, _, body = self.fetch("/admin/v1/profiles/heap?seconds=1")
            self.assertEqual(status, 501, body)
            self.skipTest("the sanitizer has an allocator of its own")
        profile = self.profile("heap", "--seconds", "4")
        self.assertEqual(profile.types, ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"])
        # A search allocates more than 10 kB; little of it is held.
        self.assertGreater(profile.sum(type="alloc_space"), 10_000_000)
        self.assertGreater(profile.sum("tessera::LocalRetrieval::Search", type="alloc_space"), 500_000)
        self.assertLess(profile.sum(type="inuse_space"), profile.sum(type="alloc_space") / 2)

    def test_refusals(self):
        status, _, body = self.fetch("/admin/v1/profiles/cpu?seconds=1", READER)
        self.assertEqual(status, 403, body)
        status, _, body = self.fetch("/admin/v1/profiles/cpu?seconds=61")
        self.assertEqual(status, 400, body)
        status, _, body = self.fetch("/admin/v1/profiles/cpu?minutes=1")
        self.assertEqual(status, 400, body)
        # Of two at once of one process the second is refused at once, and the first is not disturbed.
        both = []
        path = f"/admin/v1/profiles/cpu?seconds=3&group={'gateway' if TOPOLOGY == 'each.yaml' else 'all'}"
        threads = [threading.Thread(target=lambda: both.append(self.fetch(path))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([one[0] for one in both], [409, 200], both)
        self.assertIn("one at a time", json.loads(both[0][2])["detail"])
        status, headers, body = self.fetch("/admin/v1/profiles/cpu?seconds=1")
        self.assertEqual(status, 200, body)
        self.assertIn("tessera-cpu.pb.gz", headers["Content-Disposition"])
        with open(os.path.join(self.data, "audit.jsonl")) as file:
            taken = [json.loads(line) for line in file if "profile_taken" in line]
        self.assertTrue(taken)
        self.assertIn("owner", json.dumps(taken[-1]))


if __name__ == "__main__":
    unittest.main()
