#!/usr/bin/env python3
"""Runs the blocks of README.md that are marked as tested, against a server of its own: readme_test.py part|whole.

`part` takes 25 pages of the manual instead of all.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
import make_documents  # noqa: E402
from harness import BIN, SLOWNESS, Case  # noqa: E402

MANUAL = "/usr/share/doc/postgresql-doc-15/html"
WHOLE = False


def tested_blocks():
    with open(os.path.join(ROOT, "README.md")) as file:
        return re.findall(r"<!-- tested: tests/docs -->\n```(\w+)\n(.*?)```", file.read(), re.S)


class Readme(Case):
    def setUp(self):
        super().setUp()
        if not os.path.isdir(MANUAL):
            print("postgresql-doc-15 is not installed")
            sys.exit(77)
        self.manual = MANUAL
        if not WHOLE:
            self.manual = self.path("manual")
            os.mkdir(self.manual)
            pages = [p for p in sorted(os.listdir(MANUAL)) if "vacuum" in p or p.startswith("sql-create")][:24]
            for page in pages + ["sql-vacuum.html"]:
                shutil.copy(os.path.join(MANUAL, page), self.manual)
        self.data = self.path("tessera")
        self.server = self.start(self.data)
        self.env["PATH"] = os.path.dirname(os.path.abspath(BIN)) + ":" + self.env["PATH"]

    def shell(self, block):
        """Runs each line; gives what it printed."""
        out = []
        for line in block.replace(MANUAL, self.manual).strip().splitlines():
            done = subprocess.run(["bash", "-c", line], env=self.env, cwd=self.root, capture_output=True, text=True,
                                  timeout=2400 * SLOWNESS)
            self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}\n{done.stderr}")
            out.append(done.stdout)
        return out

    def test_as_it_stands(self):
        blocks = tested_blocks()
        self.assertEqual([kind for kind, text in blocks], ["sh", "sh", "python", "sh"])
        ingested, found, answer = self.shell(blocks[0][1])
        self.assertIn("are searchable in \"manual\"; 0 failed", ingested)
        self.assertIn("vacuum", found.lower())
        self.assertIn("VACUUM", answer)
        self.assertRegex(answer, r"\n\[1\] [\w/-]+\.html")
        for name, content in make_documents.harbour().items():
            self.write(name, content)
        ingested, answer = self.shell(blocks[1][1])
        self.assertIn("are searchable in \"harbour\"; 0 failed", ingested)
        self.assertIn("Tuesday", answer)
        self.assertRegex(answer, r"\n\[1\] storm.eml")
        code = blocks[2][1].replace("http://127.0.0.1:8080", self.server.url)
        self.assertLessEqual(len(code.strip().splitlines()), 5)
        done = subprocess.run([sys.executable, "-c", f"DATA = {self.data!r}\n{code}"], env=self.env, capture_output=True,
                              text=True, timeout=300 * SLOWNESS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("VACUUM", done.stdout)
        self.assertRegex(done.stdout, r"\n1: [\w/-]+\.html: ")
        shutil.copytree(os.path.join(ROOT, "deploy"), self.path("deploy"))
        applied, status, back = self.shell(blocks[3][1])
        self.assertEqual(applied, "moved\n")
        self.assertEqual(status.count("inference"), 5, status)  # the group, two processes with an instance each
        self.assertEqual(back, "moved\n")


if __name__ == "__main__":
    WHOLE = len(sys.argv) > 1 and sys.argv.pop(1) == "whole"
    unittest.main(verbosity=1)
