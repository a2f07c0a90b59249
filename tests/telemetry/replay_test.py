#!/usr/bin/env python3
"""Recorded answers, given again by the same model and by another; and that nothing is recorded unasked."""
import json
import os
import stat
import time
import unittest
import urllib.request

from platform_traces import PLANTED_PROMPT, SLOWNESS, TOKENS, Case, Models, TraceCase

READER = "replay-reader-0123456789"
ASKED = {"Baggage": "tessera-record=1"}
CONFIG = """
services:
  inference:
    models:
      paced: {{base_url: "http://127.0.0.1:{port}/v1"}}
server: {{api_keys: [{{name: reader, key: '${{file:{key}}}', scopes: [inference.read, inference.run, orchestration.run, retrieval.read]}}]}}
"""


class Replays(Case):
    request, call = TraceCase.request, TraceCase.call

    def setUp(self):
        super().setUp()
        self.models = Models()
        self.addCleanup(self.models.end)
        os.chmod(self.write("reader.key", READER), 0o600)
        self.data = self.path("data")

    def platform(self, more=""):
        config = self.write("tessera.yaml", CONFIG.format(port=self.models.server_address[1], key=self.path("reader.key")) + more)
        server = self.start(self.data, "--config", config)
        self.write("zephyr.txt", "The Zephyr engine was designed in 1987 by Ada Kowalska in Gdansk. It runs on steam.")
        self.tessera("ingest", "--data", self.data, self.path("zephyr.txt"))
        return server

    def ask(self, server, headers, question=f"Who designed the Zephyr {PLANTED_PROMPT} engine?"):
        """The request's id."""
        body = {"model": "rag:default", "answer_mode": "generative", "temperature": 0.8, "max_tokens": 24,
                "messages": [{"role": "user", "content": question}]}
        status, headers, text = self.call(server, "/v1/chat/completions", body, headers)
        self.assertEqual(status, 200, text)
        return headers["X-Request-Id"], json.loads(text)["choices"][0]["message"]["content"]

    def remove_documents(self, server):
        _, _, said = self.call(server, "/api/v1/collections/default/documents")
        documents = json.loads(said)["documents"]
        self.assertTrue(documents)
        for document in documents:
            request = self.request(server, f"/api/v1/documents/{document['id']}")
            request.method = "DELETE"
            urllib.request.urlopen(request, timeout=60 * SLOWNESS).close()

    def recorded(self):
        return [one["id"] for one in self.tessera_json("replay", "--data", self.data).get("recordings", [])]

    def wait_until_recorded(self, name):
        deadline = time.monotonic() + 20 * SLOWNESS
        while name not in self.recorded():
            self.assertLess(time.monotonic(), deadline, "it is not recorded")

    def replay(self, name, *words):
        return self.tessera_json("replay", name, "--data", self.data, *words)

    def holds(self, word):
        """Files of the data folder that have it in them."""
        found = []
        for folder, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(folder, name)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as file:
                        if word.encode() in file.read():
                            found.append(path)
        return found

    def test_nothing_unless_it_is_switched_on(self):
        server = self.platform()
        self.ask(server, ASKED)
        self.assertEqual(self.recorded(), [])
        server.stop()
        self.assertEqual(self.holds(PLANTED_PROMPT), [])

    def test_same_model_and_another(self):
        server = self.platform("recordings: {enabled: true, runs_max: 2}\n")
        self.ask(server, {})
        self.ask(server, {**ASKED, "Authorization": f"Bearer {READER}"})
        name, text = self.ask(server, ASKED)
        self.wait_until_recorded(name)
        self.assertEqual(self.recorded(), [name])  # neither unasked, nor for those who are no administrators
        folder = os.path.join(self.data, "recordings")
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        for file in os.listdir(folder):
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, file)).st_mode), 0o600)
        # Without the document: what was found then is what the model sees now.
        self.remove_documents(server)
        for _ in range(2):
            again = self.replay(name)
            self.assertTrue(again["same"], again)
            self.assertEqual(again["recording"]["answer"]["text"], again["answer"]["text"])
            self.assertIn(text.split()[0], again["answer"]["text"])
            self.assertGreater(again["answer"]["passages"], 0)
        other = self.replay(name, "--model", "paced")
        self.assertFalse(other.get("same", False), other)
        self.assertEqual(other["answer"]["model"], "paced")
        self.assertIn("".join(TOKENS), other["answer"]["text"])
        self.assertGreater(other["answer"]["usage"]["completion_tokens"], 0)
        self.assertGreater(other["answer"]["duration_us"], 0)
        said, _ = self.tessera("replay", name, "--model", "paced", "--live", "--data", self.data)
        self.assertIn("the answers differ", said)
        self.assertNotIn("".join(TOKENS), said, "there is nothing to find any more")
        self.tessera("replay", name, "--model", "nobody", "--data", self.data, code=1)
        for path, body in (("", None), (f"/{name}/replay", {})):
            status, _, said = self.call(server, f"/admin/v1/recordings{path}", body, {"Authorization": f"Bearer {READER}"})
            self.assertEqual(status, 403, said)
        # Old ones make room.
        names = [name]
        for number in range(2):
            names.append(self.ask(server, ASKED, f"Who designed Zephyr {number}?")[0])
            self.wait_until_recorded(names[-1])
        self.assertEqual(set(self.recorded()), set(names[1:]))
        self.tessera("replay", name, "--data", self.data, code=1)
        self.tessera("replay", names[1], "--delete", "--data", self.data)
        self.assertEqual(self.recorded(), names[2:])

    def test_share_and_redaction(self):
        server = self.platform("recordings: {enabled: true, percent: 100}\nlogs: {redact: {email: true}}\n")
        name, _ = self.ask(server, {}, "Who is kowalska@example.org of the Zephyr engine?")
        self.wait_until_recorded(name)
        self.assertEqual(self.holds("kowalska@example.org"), [])
        self.assertTrue(self.replay(name, "--model", "paced")["recording"]["redacted"])


if __name__ == "__main__":
    unittest.main()
