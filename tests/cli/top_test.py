#!/usr/bin/env python3
"""`tessera top`: on a terminal, and where there is none."""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from harness import BIN, SLOWNESS, Case


class Terminal:
    """A program on a terminal of its own, and all that it has drawn."""

    def __init__(self, case, words, lines=30, columns=90):
        self.main, self.side = pty.openpty()
        self.resize(lines, columns)
        self.before = termios.tcgetattr(self.side)
        self.process = subprocess.Popen(words, env=case.env | {"TERM": "xterm"}, stdin=self.side, stdout=self.side,
                                        stderr=self.side, start_new_session=True)
        self.drawn = ""
        case.addCleanup(self.end)

    def resize(self, lines, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, key):
        os.write(self.main, key.encode())

    def wait_for(self, what, seconds=30):
        """What has been drawn since the last call, up to the moment that `what` says yes to it."""
        until = time.monotonic() + seconds * SLOWNESS
        while not what(self.drawn):
            if time.monotonic() > until:
                raise AssertionError(self.drawn[-4000:])
            if select.select([self.main], [], [], 0.2)[0]:
                self.drawn += os.read(self.main, 65536).decode(errors="replace")
        found, self.drawn = self.drawn, ""
        return found

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.main)
        os.close(self.side)


class Top(Case):
    def platform(self):
        server = self.start(self.path("data"))
        self.write("zephyr.txt", "The Zephyr engine was designed in 1987 by Ada Kowalska.")
        self.tessera("ingest", "--data", server.data, self.path("zephyr.txt"))
        self.tessera("ask", "--data", server.data, "Who designed the Zephyr engine?")
        return server

    def asked(self, server, text):
        """Requests go on while the figures are waited for: they are of the last moments, read every few seconds."""
        until = time.monotonic() + 60 * SLOWNESS
        while True:
            self.tessera("search", "--data", server.data, "Zephyr")
            said, _ = self.tessera("top", "--once", "--data", server.data)
            if text in said:
                return said
            self.assertLess(time.monotonic(), until, said)

    def test_once(self):
        server = self.platform()
        said = self.asked(server, "/search")
        for title in ("PLATFORM", "PROCESS", "ROUTE"):
            self.assertIn(title, said)
        frame = self.tessera_json("top", "--json", "--data", server.data)
        route = next(row for row in frame["routes"] if row["name"].endswith("/search"))
        self.assertGreater(route["requests_per_second"], 0)
        self.assertGreaterEqual(route["p99_s"], route["p50_s"])
        self.assertGreaterEqual(sum(row["requests_per_second"] for row in frame["platform"]), route["requests_per_second"])
        self.assertTrue(all(row["resident_bytes"] > 1 << 20 and row["threads"] > 1 for row in frame["processes"]))
        self.assertEqual(frame["alerts"], [])

    def test_on_a_terminal(self):
        server = self.platform()
        self.asked(server, "/search")
        terminal = Terminal(self, [BIN, "top", "--data", server.data])
        first = terminal.wait_for(lambda drawn: "ROUTE" in drawn)
        self.assertTrue(first.startswith("\033[?1049h"), first[:100])
        terminal.press("s")
        terminal.wait_for(lambda drawn: "sorted by column 1" in drawn)
        terminal.resize(12, 40)
        frame = terminal.wait_for(lambda drawn: drawn.count("\033[H") >= 3).split("\033[H")[-2]
        lines = [line.replace("\033[K", "").replace("\033[J", "").rstrip() for line in frame.split("\n")]
        self.assertLessEqual(len(lines), 12)
        self.assertLessEqual(max(map(len, lines)), 40, lines)
        terminal.press("q")
        terminal.wait_for(lambda drawn: "\033[?1049l" in drawn)
        self.assertEqual(terminal.process.wait(20 * SLOWNESS), 0)
        self.assertEqual(termios.tcgetattr(terminal.side), terminal.before)

    def test_ctrl_c_gives_the_terminal_back(self):
        server = self.platform()
        terminal = Terminal(self, [BIN, "top", "--data", server.data])
        terminal.wait_for(lambda drawn: "PROCESS" in drawn)
        terminal.process.send_signal(signal.SIGINT)
        terminal.wait_for(lambda drawn: "\033[?1049l" in drawn)
        terminal.process.wait(20 * SLOWNESS)
        self.assertEqual(termios.tcgetattr(terminal.side), terminal.before)

    def test_without_a_server(self):
        _, said = self.tessera("top", "--data", self.path("nothing"), code=1)
        self.assertIn("no server", said)


if __name__ == "__main__":
    unittest.main()
