#!/usr/bin/env python3
"""The command line against the real thing: a running server, and a data folder without one."""
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import BIN, SLOWNESS, Case, free_port

LEASE = """# Lease of the boat house

## Notice

The notice period is six weeks to the end of a quarter. Notice must be given in writing to the harbour office.

## Rent

The rent is 412 euros a month, payable on the third working day. Ducks may not be kept.
"""
TIDES = """# Tide tables

High water at the north pier comes forty minutes after high water at the lighthouse. The bar is dangerous at ebb.
"""


class WithDocuments(Case):
    def setUp(self):
        super().setUp()
        self.docs = self.path("docs")
        self.write("docs/lease.md", LEASE)
        self.write("docs/sea/tides.md", TIDES)
        self.write("docs/.git/hidden.md", "never")
        self.write("docs/photo.raw", "never")

    def check_ingest(self, *target):
        report = self.tessera_json("ingest", self.docs, *target)
        self.assertEqual((report["files"], report["succeeded"], report["failed"]), (2, 2, 0))
        self.assertGreaterEqual(report["chunks"], 2)
        self.assertEqual(report["skipped"], {"hidden": 1, "unknown kind .raw": 1})
        again = self.tessera_json("ingest", self.docs, *target)
        self.assertEqual((again["succeeded"], again["unchanged"]), (2, 2))

    def check_search_and_ask(self, *target):
        hits = self.tessera_json("search", "how long is the notice period", "--limit", "3", *target)["hits"]
        self.assertEqual(hits[0]["document"], "lease.md")
        self.assertIn("six weeks", hits[0]["text"])
        # By meaning: the document has none of these words.
        for mode in ("vector", "hybrid"):
            hits = self.tessera_json("search", "keeping birds as pets", "--mode", mode, *target)["hits"]
            self.assertEqual(hits[0]["document"], "lease.md", mode)
        out = self.tessera("search", "high", "water", "lighthouse", *target)[0]
        self.assertTrue(out.startswith("1. sea/tides.md"), out)
        answer = self.tessera_json("ask", "How long is the notice period?", *target)
        self.assertIn("six weeks", answer["answer"])
        self.assertEqual(answer["citations"][0]["document"], "lease.md")
        self.assertIn("[1]", answer["answer"])
        out = self.tessera("ask", "What is the rent a month?", *target)[0]
        self.assertIn("412", out)
        self.assertRegex(out, r"\n\[1\] lease.md")

    def check_bad_file(self, *target):
        bad = self.write("bad.pdf", b"%PDF-1.7\nthis is no PDF at all")
        report = self.tessera_json("ingest", bad, os.path.join(self.docs, "lease.md"), "--collection", "mixed", *target,
                                   code=1)
        self.assertEqual((report["succeeded"], report["failed"]), (1, 1))
        self.assertEqual(report["errors"][0]["name"], "bad.pdf")
        self.assertTrue(report["errors"][0]["code"])
        err = self.tessera("ingest", bad, "--collection", "mixed", *target, code=1)[1]
        self.assertIn("failed: bad.pdf: ", err)

    def check_missing_collection(self, *target):
        err = self.tessera("search", "--collection", "nowhere", "x", *target, code=1)[1]
        self.assertIn("nowhere", err)


class InProcess(WithDocuments):
    def test_on_a_data_folder(self):
        target = ("--data", self.path("data"))
        self.check_ingest(*target)
        self.check_search_and_ask(*target)
        self.check_bad_file(*target)
        self.check_missing_collection(*target)
        names = [m["name"] for m in self.tessera_json("models", "list", *target)["models"]]
        self.assertIn("minilm", names)

    def test_the_default_data_folder(self):
        self.tessera("ingest", self.docs)
        self.assertTrue(os.path.isdir(self.path("tessera", "originals")))

    def test_backup_and_restore(self):
        target = ("--data", self.path("data"))
        self.check_ingest(*target)
        backup = self.path("backup")
        self.assertEqual(self.tessera_json("backup", backup, *target)["documents"], 2)
        self.assertIn("not empty", self.tessera("backup", backup, *target, code=1)[1])
        self.tessera("restore", backup, "--data", self.path("other"))
        hits = self.tessera_json("search", "notice period", "--data", self.path("other"))["hits"]
        self.assertEqual(hits[0]["document"], "lease.md")
        self.tessera("restore", backup, *target, code=5)
        self.tessera("restore", backup, "--replace", *target)
        self.assertEqual(len([n for n in os.listdir(self.root) if n.startswith("data.replaced-")]), 1)
        with open(os.path.join(backup, "tessera.db"), "r+b") as file:
            file.seek(5000)
            file.write(b"damage")
        err = self.tessera("restore", backup, "--data", self.path("third"), code=1)[1]
        self.assertIn("differs from its checksum", err)


class WithServer(WithDocuments):
    def setUp(self):
        super().setUp()
        self.data = self.path("data")
        self.server = self.start(self.data)

    def test_by_url_and_by_data_folder(self):
        remote = ("--url", self.server.url, "--key", self.server.key())
        self.check_ingest(*remote)
        self.check_search_and_ask(*remote)
        self.check_bad_file(*remote)
        self.check_missing_collection(*remote)
        # The server that runs on the folder is found, with its key.
        self.check_search_and_ask("--data", self.data)
        self.assertEqual(self.tessera_json("backup", self.path("backup"), "--data", self.data)["documents"], 3)
        self.tessera("restore", self.path("backup"), "--replace", "--data", self.data, code=5)

    def test_keys(self):
        err = self.tessera("search", "--url", self.server.url, "--key", "wrong", "x", code=4)[1]
        self.assertIn("--key", err)
        self.tessera("search", "--url", self.server.url, "x", code=4)
        self.tessera("ingest", "--url", self.server.url, self.docs, code=4)
        self.env["TESSERA_KEY"] = self.server.key()
        self.tessera("ingest", "--url", self.server.url, self.docs)
        self.tessera("search", "--url", self.server.url, "notice")

    def test_many_files_go_up_in_parts(self):
        for i in range(600):
            self.write(f"many/{i:03}.txt", f"Buoy number {i} is painted in colour {i * 7919 % 1000}.\n")
        report = self.tessera_json("ingest", self.path("many"), "--url", self.server.url, "--key", self.server.key())
        self.assertEqual((report["files"], report["succeeded"], report["failed"]), (600, 600, 0))

    def test_a_second_server_is_refused(self):
        err = self.tessera("up", "--data", self.data, "--http", f"127.0.0.1:{free_port()}", code=5)[1]
        self.assertIn("in use", err)
        self.assertIn(str(self.server.process.pid), err)

    def test_a_port_in_use_is_refused(self):
        err = self.tessera("up", "--data", self.path("second"), "--http", f"127.0.0.1:{self.server.port}", code=1)[1]
        self.assertIn(str(self.server.port), err)

    def test_it_ends_when_told(self):
        self.assertEqual(self.server.stop(signal.SIGTERM), 0)
        self.assertFalse(os.path.exists(os.path.join(self.data, "endpoint")))
        # Now the same folder serves without a server.
        self.tessera("ingest", self.docs, "--data", self.data)

    def test_ctrl_c_cancels_an_ingest(self):
        for i in range(400):
            self.write(f"slow/{i}.txt", " ".join(f"Word{i}x{k} is here." for k in range(400)))
        ingest = subprocess.Popen([BIN, "ingest", self.path("slow"), "--data", self.data], env=self.env,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60 * SLOWNESS
        # Its first passages: by then the command has the server's answer, and so knows the job to cancel.
        while not any(job["chunks"] for job in self.jobs()) and time.monotonic() < deadline:
            time.sleep(0.05)  # another program's progress: there is no event to wait for
        ingest.send_signal(signal.SIGINT)
        self.assertEqual(ingest.wait(timeout=60 * SLOWNESS), 130)
        ingest.communicate()
        deadline = time.monotonic() + 60 * SLOWNESS
        while any(job["state"] in ("queued", "running") for job in self.jobs()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual({job["state"] for job in self.jobs()}, {"cancelled"})

    def test_ctrl_c_before_the_servers_answer_cancels_the_job(self):
        for i in range(100):
            self.write(f"slow/{i}.txt", " ".join(f"Word{i}x{k} is here." for k in range(400)))
        proxy = AnswerHolder(self.server.port)
        self.addCleanup(proxy.close)
        ingest = subprocess.Popen([BIN, "ingest", self.path("slow"), "--url", f"http://127.0.0.1:{proxy.port}",
                                   "--key", self.server.key()], env=self.env, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.addCleanup(ingest.kill)
        self.assertTrue(proxy.answered.wait(60))  # the job is there, its id on the way
        ingest.send_signal(signal.SIGINT)
        while pending(ingest.pid, signal.SIGINT):
            time.sleep(0.001)  # another program's progress
        proxy.release.set()
        self.assertEqual(ingest.wait(timeout=60), 130)
        ingest.communicate()
        deadline = time.monotonic() + 60
        while any(job["state"] in ("queued", "running") for job in self.jobs()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual([job["state"] for job in self.jobs()], ["cancelled"])

    def jobs(self):
        import urllib.request
        request = urllib.request.Request(self.server.url + "/api/v1/jobs",
                                         headers={"Authorization": f"Bearer {self.server.key()}"})
        with urllib.request.urlopen(request, timeout=10 * SLOWNESS) as reply:
            return json.load(reply).get("jobs", [])


def pending(pid, sig):
    """Whether a process has yet to take a signal that was sent to it."""
    with open(f"/proc/{pid}/status") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("ShdPnd:"))
    return mask >> (sig - 1) & 1


class AnswerHolder:
    """A proxy that holds the answer to an upload until `release` is set; `answered` tells that it has come."""

    def __init__(self, to):
        self.to, self.answered, self.release = to, threading.Event(), threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(("127.0.0.1", self.to))
            upload = threading.Event()
            threading.Thread(target=self.pump, args=(client, server, lambda data: self.look(data, upload)),
                             daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, lambda data: self.hold(upload)), daemon=True).start()

    @staticmethod
    def pump(source, sink, look):
        try:
            while data := source.recv(65536):
                look(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side is gone
        finally:
            source.close()

    @staticmethod
    def look(data, upload):
        if data.startswith(b"POST") and b"/documents HTTP" in data[:200]:
            upload.set()

    def hold(self, upload):
        if upload.is_set():
            self.answered.set()
            self.release.wait(60)

    def close(self):
        self.release.set()
        self.socket.close()


class Reader(WithDocuments):
    def test_a_key_for_reading_is_enough_to_search_by_meaning(self):
        config = self.write("tessera.yaml", "server:\n  api_keys:\n    - name: reader\n      key: ${env:READER}\n"
                                            "      scopes: [retrieval.read]\n")
        self.env["READER"] = "0123456789-reader"
        server = self.start(self.path("data"), "--config", config)
        self.tessera("ingest", self.docs, "--url", server.url, "--key", server.key())
        target = ("--url", server.url, "--key", "0123456789-reader")
        hits = self.tessera_json("search", "keeping birds as pets", "--mode", "vector", *target)["hits"]
        self.assertEqual(hits[0]["document"], "lease.md")
        self.tessera("ingest", self.docs, *target, code=4)


class NoAuth(WithDocuments):
    def test_loopback_without_a_key(self):
        server = self.start(self.path("data"), "--no-auth")
        self.check_ingest("--url", server.url)
        self.assertEqual(server.stop(), 0)

    def test_only_on_loopback(self):
        err = self.tessera("up", "--no-auth", "--data", self.path("d"), "--http", f"0.0.0.0:{free_port()}", code=2)[1]
        self.assertIn("loopback", err)


if __name__ == "__main__":
    unittest.main(verbosity=1)
