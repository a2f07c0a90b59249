#!/usr/bin/env python3
"""/v1/chatqna over an OPEA deployment's back ends: no token is lost however they cut their answer, and what fails there
reaches the client as an error; in one process, and with each part of the pipeline in its own."""
import ast
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests" / "bench" / "opea"
SLOWNESS = float(os.environ.get("TESSERA_TEST_SLOWNESS", "1"))
TOKENS = [f" tok{i}" for i in range(16)]


def setUpModule():
    global backends, backends_port
    backends = subprocess.Popen([os.environ["TESSERA_BACKENDS"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    backends_port = int(backends.stdout.readline())


def tearDownModule():
    backends.stdin.close()
    backends.stdout.close()
    if backends.wait(30) != 0:
        raise AssertionError("the back ends did not end well")


def post(url, body, key=None):
    """Status and text; a body that was cut short is what came of it."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60 * SLOWNESS) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def behave(**how):
    status, text = post(f"http://127.0.0.1:{backends_port}/set", how)
    assert status == 204, text


def stats():
    with urllib.request.urlopen(f"http://127.0.0.1:{backends_port}/stats", timeout=10) as reply:
        return json.load(reply)


def events(text):
    """(kind, data) of each event."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in lines:
            found.append((lines.get("event", "message"), lines["data"]))
    return found


class Pipeline:
    topology = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="tessera-upstream-")
        config = pathlib.Path(cls.folder) / "tessera.yaml"
        config.write_text((BENCH / "tessera.yaml").read_text().replace("BACKENDS", f"127.0.0.1:{backends_port}")
                          .replace("GRAPH", str(BENCH / "chatqna.yaml")))
        data = pathlib.Path(cls.folder) / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cls.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        cls.log = open(pathlib.Path(cls.folder) / "log", "w+", encoding="utf-8")
        cls.process = subprocess.Popen([os.environ["TESSERA_BIN"], "up", "--data", data, "--http", cls.url[7:], "--config", config,
                                        "--topology", BENCH / cls.topology], stdout=cls.log, stderr=subprocess.STDOUT)
        until = time.monotonic() + 90 * SLOWNESS
        while True:
            try:
                with urllib.request.urlopen(cls.url + "/health/ready", timeout=5):
                    break
            except OSError:
                if time.monotonic() > until or cls.process.poll() is not None:
                    cls.log.seek(0)
                    raise RuntimeError("the program is not ready:\n" + cls.log.read()) from None
                time.sleep(0.05)
        cls.key = (data / "owner.key").read_text().strip()

    @classmethod
    def tearDownClass(cls):
        cls.process.send_signal(signal.SIGTERM)
        status = cls.process.wait(60 * SLOWNESS)
        cls.log.seek(0)
        said = cls.log.read()
        cls.log.close()
        shutil.rmtree(cls.folder)
        if status != 0 or "Sanitizer" in said or "runtime error:" in said:
            raise AssertionError(f"exit status {status}:\n{said}")

    def tearDown(self):
        behave()

    def ask(self, stream, path="/v1/chatqna", **more):
        return post(self.url + path, {"messages": "What is greased?", "stream": stream, **more}, self.key)

    def streamed(self):
        """The tokens of a streamed answer, and its errors."""
        status, text = self.ask(True)
        if status != 200:  # of a run in another process the end may be there before its beginning was told
            self.assertGreaterEqual(status, 400, text)
            return [], [json.loads(text)["detail"]]
        told = events(text)
        tokens = [ast.literal_eval(data).decode() for kind, data in told if kind == "message" and data != "[DONE]"]
        errors = [data for kind, data in told if kind == "error"]
        self.assertNotEqual(bool(errors), told[-1] == ("message", "[DONE]"), f"it ends well or with an error, not both: {text}")
        return tokens, errors

    def test_every_back_end_is_asked_once(self):
        before = stats()
        status, text = self.ask(False)
        self.assertEqual(status, 200, text)
        self.assertEqual(json.loads(text)["choices"][0]["message"]["content"], "".join(TOKENS))
        after = stats()
        for name in ("embed", "retrieval", "rerank", "chat"):
            self.assertEqual(after[name] - before[name], 1, name)

    def test_no_token_is_lost_however_events_are_cut_or_joined(self):
        for how in ({"cut": 1}, {"cut": 2}, {"cut": 3}, {"cut": 7}, {"cut": 61}, {"cut": 200}, {"cut": 1000}, {"cut": 100_000},
                    {"coalesce": 2}, {"coalesce": 3}, {"coalesce": 16}, {"coalesce": 17}, {"coalesce": 1000}):
            with self.subTest(**how):
                behave(**how, suffix="é\U0001f980")
                tokens, errors = self.streamed()
                self.assertEqual("".join(tokens), "".join(token + "é\U0001f980" for token in TOKENS))
                self.assertEqual(errors, [])

    def test_an_error_in_mid_stream_is_an_error_behind_the_tokens_before_it(self):
        for how in ({"fail_after": 5}, {"fail_after": 5, "cut": 11}, {"fail_after": 5, "coalesce": 100}, {"break_after": 5},
                    {"break_after": 5, "coalesce": 3}):
            with self.subTest(**how):
                behave(**how)
                tokens, errors = self.streamed()
                self.assertEqual("".join(tokens), "".join(TOKENS[:5]))
                self.assertEqual(len(errors), 1)
                if "fail_after" in how:
                    self.assertIn("ran out of memory", errors[0])

    def test_an_answer_that_ends_before_it_began_is_an_error(self):
        for how in ({"fail_after": 0}, {"break_after": 0}, {"tokens": 0}):
            with self.subTest(**how):
                behave(**how)
                tokens, errors = self.streamed()
                self.assertEqual((tokens, len(errors)), ([], 1))

    def test_the_status_of_any_back_end_is_an_error(self):
        for where in ("status", "embed_status", "search_status", "rerank_status"):
            for status in (400, 404, 429, 500, 503):
                with self.subTest(where=where, status=status):
                    behave(**{where: status})
                    code, text = self.ask(False)
                    self.assertGreaterEqual(code, 400, text)
                    self.assertEqual(code == 429, status == 429, text)
                    tokens, errors = self.streamed()
                    self.assertEqual((tokens, len(errors)), ([], 1))

    def test_after_a_failure_it_works_again(self):
        for where in ("status", "embed_status", "search_status", "rerank_status"):
            behave(**{where: 503})
            for _ in range(60):  # what is broken behind a service does not shut the way to the service
                self.assertGreaterEqual(self.ask(False)[0], 400)
            behave()
            self.assertEqual(self.ask(False)[0], 200, where)


class OneProcess(Pipeline, unittest.TestCase):
    topology = "one.yaml"


class FourProcesses(Pipeline, unittest.TestCase):
    topology = "four.yaml"


if __name__ == "__main__":
    unittest.main(verbosity=2)
