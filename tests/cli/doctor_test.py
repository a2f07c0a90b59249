#!/usr/bin/env python3
"""`tessera doctor` and `tessera bundle`: what is wrong is found, and no secret leaves the house."""
import os
import socket
import stat
import tarfile
import unittest

from harness import Case, free_port

# One for each way out.
SECRETS = {where: f"planted-{where}-9f2c41d7e8" for where in ("variable", "file", "url", "header", "document")}


class Doctor(Case):
    def examine(self, *words, code=0):
        report = self.tessera_json("doctor", *words, code=code)
        self.assertEqual(report["ok"], code == 0)
        findings = {finding["check"]: finding for finding in report["findings"]}
        for finding in findings.values():
            self.assertEqual(finding["remedy"] == "", finding["verdict"] == "good", finding)
        return findings

    def config(self, text):
        return self.write("tessera.yaml", text)

    def test_nothing_is_there_yet(self):
        found = self.examine("--data", self.path("none"), "--config",
                             self.config(f'server: {{http: "127.0.0.1:{free_port()}"}}'))
        self.assertIn("not there yet", found["data folder"]["seen"])
        self.assertEqual(found["http address"]["verdict"], "good")
        self.assertFalse(os.path.exists(self.path("none")), "an examination changes nothing")

    def test_an_address_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            config = self.config(f'server: {{http: "127.0.0.1:{other.getsockname()[1]}"}}')
            found = self.examine("--data", self.path("none"), "--config", config, code=1)
        self.assertEqual(found["http address"]["verdict"], "bad")
        self.assertIn("--http", found["http address"]["remedy"])

    def test_a_configuration_with_mistakes(self):
        found = self.examine("--config", self.config("server: {htp: 1}"), code=1)
        self.assertIn("htp", found["configuration"]["seen"])

    def test_a_model_server_that_is_gone(self):
        config = self.config("services: {inference: {models: {gone: {base_url: "
                             f'"http://127.0.0.1:{free_port()}/v1", upstream_model: x}}}}}}}}')
        found = self.examine("--data", self.path("none"), "--config", config, code=1)
        self.assertIn("refused", found["model gone"]["seen"])

    def test_damage_and_open_doors(self):
        data = self.path("data")
        self.start(data).stop()
        self.assertEqual(self.examine("--data", data)["tessera.db"]["verdict"], "good")
        os.chmod(os.path.join(data, "owner.key"), 0o644)
        with open(os.path.join(data, "tessera.db"), "r+b") as store:
            store.seek(4096)
            store.write(b"\xff" * 4096)
        found = self.examine("--data", data, code=1)
        self.assertEqual(found["owner key"]["verdict"], "bad")
        self.assertEqual(found["tessera.db"]["verdict"], "bad")
        self.assertIn("restore", found["tessera.db"]["remedy"])

    def test_a_running_server(self):
        data = self.path("data")
        server = self.start(data)
        found = self.examine("--data", data)
        self.assertIn(server.url, found["server"]["seen"])
        self.assertTrue(any(check.startswith("process ") for check in found))
        wrong = self.examine("--url", server.url, "--key", "wrong", code=1)
        self.assertEqual(wrong["access"]["verdict"], "bad")
        server.stop()
        self.assertEqual(self.examine("--url", server.url, code=1)["server"]["verdict"], "bad")

    def test_certificates_of_files(self):
        path = self.write("here.pem", "no certificate")
        found = self.examine("--data", self.path("none"), "--config", self.config(
            f"identity: {{mode: files, certificate: {path}, key: {path}, trust: {path}}}"), code=1)
        self.assertEqual(found["certificate"]["verdict"], "bad")


class Bundle(Case):
    def pack(self, *words):
        path = self.path("bundle.tar.gz")
        self.tessera("bundle", path, *words)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with tarfile.open(path) as archive:
            return {member.name.removeprefix("tessera-bundle/"): archive.extractfile(member).read().decode()
                    for member in archive.getmembers()}

    def test_no_secret_leaves(self):
        data = self.path("data")
        self.env |= {"TESSERA_UPSTREAM_KEY": SECRETS["variable"],
                     "OTEL_EXPORTER_OTLP_HEADERS": f"x-team={SECRETS['header']}"}
        model = f"base_url: 'http://127.0.0.1:{free_port()}/v1?api_key={SECRETS['url']}', upstream_model: x"
        config = self.write("tessera.yaml", f"""
services:
  inference:
    models:
      far: {{{model}, key: '${{env:TESSERA_UPSTREAM_KEY}}'}}
      further: {{{model}, key: '${{file:{self.write("key", SECRETS["file"])}}}'}}
""")
        server = self.start(data, "--config", config)
        self.tessera("ingest", "--data", data, self.write("note.txt", f"The vault opens with {SECRETS['document']}."))
        files = self.pack("--data", data, "--config", config)
        for wanted in ("README.txt", "doctor.json", "configuration.yaml", "machine.json", "data.json",
                       "server/topology.json", "server/metrics.txt"):
            self.assertIn(wanted, files)
        for name, text in files.items():
            for secret in (*SECRETS.values(), server.key()):
                self.assertNotIn(secret, text, name)
        self.assertIn("tessera.db", files["data.json"])
        self.assertIn("# TYPE", files["server/metrics.txt"])

    def test_without_a_server(self):
        files = self.pack("--data", self.path("none"))
        self.assertNotIn("server/metrics.txt", files)
        _, err = self.tessera("bundle", self.path("bundle.tar.gz"), code=1)
        self.assertIn("is there already", err)


if __name__ == "__main__":
    unittest.main()
