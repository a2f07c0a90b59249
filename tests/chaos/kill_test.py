#!/usr/bin/env python3
"""kill -9 of `tessera up` during ingest, at random moments, loses nothing that was acknowledged.

kill_test.py [ROUNDS] [SEED]: 6 rounds, or 100 when TESSERA_TEST_LONG is 1. A round starts the server on the data folder
of all rounds before, lets clients write (clients.py), kills it, in some rounds again while it starts or recovers, starts
it anew, and compares what it holds with what it had acknowledged (ledger.py, check.py). The seed is printed.
"""
import collections
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import harness
from check import check_deleted_words, check_documents, check_lists, check_vectors, expect, wait_for_jobs
from clients import Api, Round
from ledger import Ledger

# When a round's server is killed: what is waited for, and the longest time after it in seconds. "start": once more
# before it serves; "recover": once more while it goes on with the jobs.
MOMENTS = {
    "anytime": (None, 2.0),
    "upload": ("sent", 0.01),
    "accepted": ("accepted", 0.05),
    "extraction": ("extracting", 0.03),
    "embedding": ("embedding", 0.4),
    "commit": ("committed", 0.15),
    "delete": ("deleted", 0.1),
    "start": ("accepted", 0.3),
    "recover": ("accepted", 0.3),
}


def children_of(pid):
    found = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += [int(child) for child in file.read().split()]
        except FileNotFoundError:
            pass  # the thread ended
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class KillTest:
    def __init__(self, rounds, seed):
        self.rounds, self.seed = rounds, seed
        self.random = random.Random(seed)
        self.root = tempfile.mkdtemp(prefix="tessera-kill-")
        self.env = harness.kept_environment()
        self.env |= {"HOME": self.root, "XDG_DATA_HOME": self.root,
                     "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))}
        self.data = os.path.join(self.root, "data")
        self.ledger = Ledger()
        self.kills = collections.Counter()
        self.interrupted = collections.Counter()
        self.start_seconds = 1.0

    def start(self):
        before = time.monotonic()
        server = harness.Server(self, self.data, harness.free_port(), ())
        self.start_seconds = time.monotonic() - before
        return server

    def kill(self, server, moment):
        workers = children_of(server.process.pid)
        said = server.said()
        if self.random.random() < 0.25:  # all at once, as when a machine's memory is full: nobody can tidy up
            family = [pid for worker in workers for pid in children_of(worker)] + workers
            for pid in [server.process.pid, *family]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        server.kill()
        expect(not harness.reports(said), said)
        self.kills[moment] += 1
        deadline = time.monotonic() + 20
        while any(alive(pid) for pid in workers):
            expect(time.monotonic() < deadline, "a dead server's workers live on:", workers)
            time.sleep(0.005)

    def kill_while_starting(self):
        """Before it serves, or a little after."""
        server = harness.Server(self, self.data, harness.free_port(), (), wait=False)
        time.sleep(self.random.uniform(0, 1.1) * self.start_seconds)  # the random moment itself
        self.kill(server, "start")

    def wait_for(self, moment, clients):
        """Until what the moment waits for is there, or for some seconds; then a random time more."""
        event, longest = MOMENTS[moment]
        deadline = time.monotonic() + 8
        if event == "extracting":
            while not self.extracting() and time.monotonic() < deadline:
                time.sleep(0.001)
        elif event:
            clients.seen[event].wait(8)
        time.sleep(self.random.uniform(0, longest))  # the random moment itself

    def extracting(self):
        return any(name.startswith("tessera-extract-") for name in os.listdir(os.path.join(self.data, "tmp")))

    def run_round(self, number):
        moment = list(MOMENTS)[(number + self.seed) % len(MOMENTS)]
        server = self.start()
        clients = Round(number, self.random.random(), Api(server.port, server.key()), self.ledger)
        clients.start()
        self.wait_for(moment, clients)
        self.interrupted.update(dict(clients.busy).values())
        clients.over.set()
        self.kill(server, moment)
        clients.end()
        if moment == "start":
            for _ in range(self.random.randint(1, 2)):
                self.kill_while_starting()
        if moment == "recover":
            server = self.start()
            time.sleep(self.random.uniform(0, 0.5))  # the random moment itself
            self.kill(server, moment)
        self.check(number)

    def check(self, number, everything=False):
        server = self.start()
        api = Api(server.port, server.key())
        wait_for_jobs(api, self.ledger)
        present = check_lists(api, self.ledger)
        own = [place for place in present if place[1].startswith(f"r{number}-")]
        others = [place for place in present if not place[1].startswith(f"r{number}-")]
        sample = self.random.sample(others, min(10, len(others)))
        chunks = check_documents(api, self.ledger, {place: present[place] for place in own + sample})
        vectors = self.random.sample(sorted(chunks), min(12, len(chunks)))  # all others are counted in the database
        check_vectors(api, {place: chunks[place] for place in vectors})
        if everything:
            check_documents(api, self.ledger, present)
        check_deleted_words(api, self.ledger, self.random)
        self.check_leftovers()
        self.documents = len(present)
        # A server that is told to end does, at whatever it is.
        expect(server.stop() == 0 and not harness.reports(server.said()), "exit code after SIGTERM:", server.said())
        server.kill()
        self.check_databases()

    def check_leftovers(self):
        """A worker tidies up a moment after the job that it worked for has ended."""
        deadline = time.monotonic() + 10
        for folder in ("tmp", "spool"):
            while left := os.listdir(os.path.join(self.data, folder)):
                expect(time.monotonic() < deadline, f"left over in {folder}:", left)
                time.sleep(0.01)

    def check_databases(self):
        for name in ("tessera.db", "jobs.db"):
            with sqlite3.connect(os.path.join(self.data, name)) as db:
                expect(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", name, "is damaged")
                if name == "tessera.db":
                    bare = db.execute("SELECT count(*) FROM chunks LEFT JOIN chunk_index ON chunk = chunks.id "
                                      "WHERE length(coalesce(vector, '')) <> 768").fetchone()[0]
                    expect(bare == 0, bare, "passages have no vector of 384 numbers")
                    half = db.execute("SELECT name FROM documents WHERE state = 0").fetchall()
                    expect(not half, "unfinished documents without a job:", half)
            db.close()

    def run(self):
        started = time.monotonic()
        try:
            for number in range(self.rounds):
                self.run_round(number)
                print(f"round {number}: {self.documents} documents, {self.ledger.acknowledged} acknowledged, "
                      f"{time.monotonic() - started:.0f} s", flush=True)
            self.check(self.rounds - 1, everything=True)
        except BaseException:
            print(f"seed {self.seed}, round {number}; the data folder stays: {self.root}", flush=True)
            raise
        shutil.rmtree(self.root)
        print(f"{self.rounds} rounds, seed {self.seed}: {sum(self.kills.values())} kills {dict(self.kills)}; requests under way "
              f"at the kill {dict(self.interrupted)}; {self.ledger.acknowledged} acknowledged, {self.documents} documents at "
              f"the end, all there; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    long = os.environ.get("TESSERA_TEST_LONG") == "1"
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100 if long else 6
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6)
    print(f"seed {chosen}", flush=True)
    KillTest(wanted, chosen).run()
