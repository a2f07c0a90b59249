#!/usr/bin/env python3
"""The gateway's process is replaced by one of another version under clients of the official gRPC library."""
import json
import os
import threading
import time
import unittest
import urllib.request

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from platform_under_load import BIN, MOVED, SLOWNESS, Platform, free_port

NEXT = os.environ.get("TESSERA_NEXT_BIN") or os.path.join(os.path.dirname(BIN), "src/app/tessera_next")
TOKENS, PACE_MS = 20, 100


class Clients:
    """Calls and streams all the time: on a channel that stays, and on one made for each tenth call."""

    def __init__(self, address, key):
        self.address, self.key = address, (("authorization", f"Bearer {key}"),)
        self.channel = grpc.insecure_channel(address)
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        self.over, self.lock = threading.Event(), threading.Lock()
        self.calls = self.streams = 0
        self.failed = []
        self.streams_begun = []
        loops = [self.call_again] * 4 + [self.stream_again] * 4
        self.threads = [threading.Thread(target=self.run, args=(loop,)) for loop in loops]

    def start(self):
        for thread in self.threads:
            thread.start()

    def made(self, channel, name, fields):
        service, method = name.split(".")
        described = self.pool.FindServiceByName(f"tessera.v1.{service}").methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)(**fields)
        reply = message_factory.GetMessageClass(described.output_type)
        kind = channel.unary_stream if described.server_streaming else channel.unary_unary
        call = kind(f"/tessera.v1.{service}/{method}", request_serializer=type(request).SerializeToString,
                    response_deserializer=reply.FromString)
        return call(request, timeout=60 * SLOWNESS, metadata=self.key)

    def run(self, loop):
        while not self.over.is_set():
            try:
                loop()
            except Exception as error:  # what a client sees, whatever it is
                with self.lock:
                    self.failed.append(repr(error))

    def call_again(self):
        fresh = self.calls % 10 == 0
        channel = grpc.insecure_channel(self.address, options=(("grpc.use_local_subchannel_pool", 1),)) if fresh else self.channel
        try:
            vectors = self.made(channel, "Inference.Embed", {"texts": ["the zephyr engine"]}).vectors
            assert len(vectors[0].values) == 64, vectors
        finally:
            if fresh:
                channel.close()
        with self.lock:
            self.calls += 1
        time.sleep(0.02)  # a pace, no more

    def stream_again(self):
        asked = [{"role": "user", "content": f"tokens={TOKENS} pace_ms={PACE_MS}"}]
        text = "".join(event.text for event in self.made(
            self.channel, "Inference.Generate", {"messages": asked, "max_tokens": TOKENS + 1}))
        assert text.split() == [str(number) for number in range(TOKENS)], text
        with self.lock:
            self.streams += 1

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.channel.close()


class Versions:
    """What the gateway says its version is, to clients that connect anew; and which versions of each group's program the
    topology's status has shown, as they were side by side."""

    def __init__(self, url, key):
        self.url, self.seen, self.over = url + "/api/v1/system", [], threading.Event()
        self.topology, self.groups = url + "/admin/v1/topology", {}
        self.headers = {"Connection": "close", "Authorization": f"Bearer {key}"}
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def get(self, url):
        with urllib.request.urlopen(urllib.request.Request(url, headers=self.headers), timeout=20) as reply:
            return json.load(reply)

    def ask(self):
        return self.get(self.url)["version"]

    def of_groups(self):
        """{group: its programs' versions}, which are those of its processes."""
        groups = self.get(self.topology)["groups"]
        for group in groups:
            told = {process["version"] for process in group["processes"] if process.get("version")}
            assert set(group.get("versions", ())) == told, group
        return {group["name"]: tuple(sorted(group.get("versions", ()))) for group in groups}

    def run(self):
        while not self.over.wait(0.01):
            self.seen.append(self.ask())
            for name, versions in self.of_groups().items():
                self.groups.setdefault(name, set()).add(versions)

    def end(self):
        self.over.set()
        self.thread.join()
        return self.seen


class GrpcHandover(unittest.TestCase):
    def test_another_version_takes_over_and_goes_back(self):
        address = f"127.0.0.1:{free_port()}"
        groups = {"front": {"services": ["gateway", "orchestration"]}, "rest": {"services": ["inference", "retrieval", "dataprep"]}}
        platform = Platform(self, groups, options=("--grpc", address))
        clients = Clients(address, platform.key)
        self.addCleanup(clients.end)
        clients.start()
        deadline = time.monotonic() + 60 * SLOWNESS
        while clients.streams < 4 and not clients.failed:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)  # until calls and streams are on their way
        versions = Versions(platform.url, platform.key)
        self.addCleanup(versions.end)
        usual = versions.ask()
        for binary, expected in (NEXT, usual + "-next"), ("", usual):
            groups["front"]["binary"] = binary
            before = len(versions.seen)
            code, move = platform.apply(groups, step_time="1s")
            self.assertEqual(code, MOVED, f"{move}\n{platform.said()[-3000:]}")
            platform.check_serves(groups)
            told = versions.seen[before:]
            self.assertEqual(versions.ask(), expected)
            self.assertEqual(set(told), {usual, usual + "-next"}, "both while it comes in")
            changes = [at for at in range(1, len(told)) if told[at] != told[at - 1]]
            print(f"{expected}: {len(told)} answers, {len(changes)} changes of version while both took connections", flush=True)
            self.assertEqual(told[-1], expected)
            self.assertEqual(versions.of_groups(), {"front": (expected,), "rest": (usual,)})
            self.assertIn(f"front, version {expected}\n", platform.tessera("topology", "status", "--data", platform.data).stdout)
        self.assertIn((usual, usual + "-next"), versions.groups["front"], "side by side")
        self.assertEqual(versions.groups["rest"], {(usual,)})
        groups["rest"]["binary"] = NEXT
        code, move = platform.apply(groups, step_time="1s")
        self.assertEqual(code, MOVED, f"{move}\n{platform.said()[-3000:]}")
        self.assertEqual(versions.of_groups(), {"front": (usual,), "rest": (usual + "-next",)})
        self.assertIn((usual, usual + "-next"), versions.groups["rest"], "side by side")
        clients.end()
        versions.end()
        print(f"{clients.calls} calls and {clients.streams} streams, {len(clients.failed)} failed", flush=True)
        self.assertEqual(clients.failed, [])
        self.assertGreater(clients.calls, 100)
        self.assertEqual(platform.engine_stats()["cut"], 0)
        platform.stop()


if __name__ == "__main__":
    unittest.main()
