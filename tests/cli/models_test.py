#!/usr/bin/env python3
"""Models added to and removed from a running server are used, or gone, at once."""
import json
import os
import unittest
import urllib.error
import urllib.request

from harness import Case

GGUF = os.environ["TESSERA_TEST_GGUF"]


class Models(Case):
    def setUp(self):
        super().setUp()
        self.server = self.start(self.path("data"))
        self.on_server = ("--url", self.server.url, "--key", self.server.key())

    def call(self, path, body=None):
        request = urllib.request.Request(self.server.url + path, None if body is None else json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {self.server.key()}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read())

    def names(self):
        return [model["id"] for model in self.call("/v1/models")["data"]]

    def answer(self, model):
        reply = self.call("/v1/chat/completions", {"model": model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]})
        self.assertTrue(reply["choices"][0]["message"]["content"])

    def test_without_a_restart(self):
        self.assertNotIn("mine", self.names())
        out, err = self.tessera("models", "add", "--data", self.path("data"), "--name", "mine", GGUF)
        self.assertIn("added mine", out)
        self.assertNotIn("restart", out + err)
        self.assertIn("mine", self.names())
        self.answer("mine")
        listed = self.tessera_json("models", "list", *self.on_server)["models"]
        self.assertEqual([m["name"] for m in listed if m["is_default"] and m["kind"] == "language"], ["mine"])
        self.assertEqual(self.call("/api/v1/system")["default_model"], "mine")
        # No demo model any more: answers from documents are written, by the new default.
        self.write("a.md", "# Pier\n\nThe pier was built in 1911.\n")
        self.tessera("ingest", *self.on_server, self.path("a.md"))
        self.assertEqual(self.tessera_json("ask", "When was the pier built?", *self.on_server)["answer_mode"], "generative")

        self.tessera("models", "remove", "--data", self.path("data"), "mine")
        self.assertNotIn("mine", self.names())
        with self.assertRaises(urllib.error.HTTPError) as gone:
            self.answer("mine")
        self.assertEqual(gone.exception.code, 404)
        self.assertIn("smollm2", gone.exception.read().decode())
        self.assertEqual(self.tessera_json("ask", "When was the pier built?", *self.on_server)["answer_mode"], "extractive")
        self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
