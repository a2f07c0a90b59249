#!/usr/bin/env python3
"""Processes are killed at every step of a move: the platform ends in the old topology or the new, serves, and has lost
nothing that it acknowledged.

kill_test.py [short|long]; TESSERA_KILL_SEED repeats a run.
"""
import copy
import os
import random
import signal
import sys
import threading
import time
import unittest
from types import SimpleNamespace

from platform_under_load import MOVED, ROLLED_BACK, SERVICES, SLOWNESS, Platform, platform_processes, serving_processes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "chaos"))
from clients import DIED, Api, Wrong  # noqa: E402

MODE = "short"
EACH = {"front": {"services": ["gateway"]}} | {
    name: {"services": [name]} for name in ("orchestration", "inference", "retrieval", "dataprep")}
SHIFTED = ["starting", "0 %", "50 %", "100 %", "calls inside"]
HANDED = ["starting", "handing over", "watching", "calls inside"]
STEPS = [(service, step) for service in ("inference", "orchestration") for step in SHIFTED] + [
    (service, step) for service in ("retrieval", "dataprep") for step in HANDED]
# Of the gateway's process, which has state here: everything is in it. Until "handing over the control" has ended, the old
# one is the controller.
GATEWAY = ["starting the gateway", "starting inference", "50 %", "handing over what", "watching", "both gateways",
           "the new gateway accepts", "handing over the control", "the new gateway has", "calls inside", "connections of the old"]
IDEMPOTENT = ("embed", "search", "models")


class Writer:
    """Uploads small documents and remembers which were acknowledged."""

    def __init__(self, platform):
        self.api = Api(platform.port, platform.key)
        self.acknowledged, self.jobs, self.wrong = [], {}, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        number = 0
        while not self.over.wait(0.1):
            number += 1
            name = f"note-{id(self)}-{number}.txt"
            file = SimpleNamespace(name=name, content=f"Note {number} says that the boiler was cleaned.".encode())
            try:
                self.jobs[name] = self.api.ingest("default", [file])
                self.acknowledged.append(name)
            except (Wrong, *DIED) as error:
                self.wrong.append(f"{name}: {error!r}")
        self.api.close()

    def end(self):
        self.over.set()
        self.thread.join()


class KillCase(unittest.TestCase):
    START = EACH

    def setUp(self):
        seed = int(os.environ.get("TESSERA_KILL_SEED") or random.randrange(1 << 32))
        print(f"seed {seed}: TESSERA_KILL_SEED={seed} repeats it", flush=True)
        self.random = random.Random(seed)
        self.platform = Platform(self, self.START)
        self.groups = copy.deepcopy(self.START)
        self.rounds = 0

    def api(self):
        api = Api(self.platform.port, self.platform.key)
        self.addCleanup(api.close)
        return api

    def steps(self, count):
        return self.random.sample(STEPS, count) if MODE == "short" else STEPS

    def processes(self, service):
        """Of the old and the new side: the pids of the processes of a service, the oldest first."""
        found = [(one["started_ms"], one["pid"]) for view in self.platform.status()["groups"] for one in view["processes"]
                 if view["name"] == service]
        return [pid for _, pid in sorted(found)]

    def begin_move(self, service):
        self.rounds += 1
        self.before = copy.deepcopy(self.groups)
        self.groups[service]["revision"] = f"r{self.rounds}"
        return self.platform.start_apply(self.groups, steps=[0, 50, 100], step_time="300ms")

    def wait_for(self, apply, step):
        """True when the move is at that step; False when it has passed it unseen."""
        api = self.api()
        deadline = time.monotonic() + 60 * SLOWNESS
        while apply.poll() is None and time.monotonic() < deadline:
            move = api.json("GET", "/admin/v1/topology").get("move", {})
            if move.get("step", "").startswith(step) and move["state"] not in ("moved", "rolled_back"):
                return True
            time.sleep(0.005)  # polls another program
        return False

    def check_written(self, writer):
        """Everything acknowledged becomes a document."""
        api = self.api()
        deadline = time.monotonic() + 60 * SLOWNESS
        missing = set(writer.acknowledged)
        while missing and time.monotonic() < deadline:
            missing -= {document["name"] for document in api.documents("default")}
            time.sleep(0.1)
        jobs = {name: api.json("GET", f"/api/v1/jobs/{writer.jobs[name]}") for name in sorted(missing)[:3]}
        self.assertFalse(missing, f"acknowledged and lost: {sorted(missing)[:10]} {jobs}\n{self.platform.said()[-4000:]}")

    def serves_again(self):
        deadline = time.monotonic() + 30 * SLOWNESS
        while True:
            try:
                return self.platform.check_serves(self.groups)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def await_nobody(self):
        """How long it took until no process of the platform was left."""
        killed = time.monotonic()
        while platform_processes(self.platform.data) and time.monotonic() < killed + 2 * SLOWNESS:
            time.sleep(0.01)
        self.assertEqual(platform_processes(self.platform.data), set(), "orphans two seconds after the first process")
        return time.monotonic() - killed

    def comes_back(self):
        """In the old topology or the new; which."""
        self.platform.up()
        now = {view["name"]: view.get("revision", "") for view in self.platform.status()["groups"]}
        ends = [{name: group.get("revision", "") for name, group in groups.items()} for groups in (self.before, self.groups)]
        self.assertIn(now, ends)
        if now == ends[0]:
            self.groups = self.before
        self.platform.check_serves(self.groups)
        return "old" if now == ends[0] else "new"


class Kills(KillCase):
    def test_a_child_at_any_step(self):
        for service, step in self.steps(4):
            victim = self.random.choice(("old", "new"))
            with self.subTest(service=service, step=step, victim=victim):
                self.kill_child(service, step, victim)

    def kill_child(self, service, step, victim):
        platform = self.platform
        before = platform.engine_stats()
        platform.begin_load(40, 6, 2)
        writer = Writer(platform)
        old = self.processes(service)
        apply = self.begin_move(service)
        seen = self.wait_for(apply, step)
        now = self.processes(service)
        pids = [pid for pid in now if (pid in old) == (victim == "old")]
        killed_ms = int(time.time() * 1000)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        out, error = apply.communicate(timeout=120 * SLOWNESS)
        self.assertIn(apply.returncode, (MOVED, ROLLED_BACK), error)
        if apply.returncode == ROLLED_BACK:
            self.groups = self.before
        time.sleep(0.5)  # of load afterwards
        writer.end()
        load = platform.end_load()
        self.serves_again()
        print(f"{service} {step!r} {victim}{'' if seen else ' (step not seen)'}: killed {len(pids)}, exit {apply.returncode}, "
              f"failed {load['failed_by']}, truncated {load['truncated']} of {sum(load['begun'].values())}, "
              f"{len(writer.acknowledged)} written, {len(writer.wrong)} refused", flush=True)
        why = [reason | {"after_kill_ms": reason["at_ms"] - killed_ms} for reason in load["reasons"]]
        self.assertEqual({kind: load["failed_by"].get(kind, 0) for kind in IDEMPOTENT}, dict.fromkeys(IDEMPOTENT, 0),
                         f"{why}\n{platform.said()[-4000:]}")
        self.assertEqual(load["truncated"], 0, why)
        if service in ("retrieval", "dataprep"):
            self.assertEqual(load["failed"], 0, why)
        self.assertEqual(platform.engine_stats()["repeated"], before["repeated"])
        self.check_written(writer)

    def test_a_child_while_a_new_one_never_answers(self):
        """The move gives way at once, so that who died is started again."""
        platform = self.platform
        script = platform.write("sleeper.sh", "#!/bin/sh\nexec sleep 600\n")
        os.chmod(script, 0o700)
        platform.begin_load(40, 2, 2)
        self.before = copy.deepcopy(self.groups)
        wanted = copy.deepcopy(self.groups)
        wanted["orchestration"]["binary"] = script
        apply = platform.start_apply(wanted)
        self.assertTrue(self.wait_for(apply, "starting"))
        os.kill(self.processes("inference")[0], signal.SIGKILL)
        apply.communicate(timeout=120 * SLOWNESS)
        self.assertEqual(apply.returncode, ROLLED_BACK)
        self.serves_again()
        load = platform.end_load()
        self.assertEqual({kind: load["failed_by"][kind] for kind in IDEMPOTENT}, dict.fromkeys(IDEMPOTENT, 0), load["reasons"])

    def test_the_first_process_at_any_step(self):
        for service, step in self.steps(2):
            with self.subTest(service=service, step=step):
                self.kill_root(service, step)

    def kill_root(self, service, step):
        platform = self.platform
        writer = Writer(platform)
        apply = self.begin_move(service)
        seen = self.wait_for(apply, step)
        children = serving_processes(platform.data)
        self.assertTrue(children)
        platform.process.kill()
        platform.process.wait()
        writer.end()
        apply.communicate(timeout=60)
        gone_after = self.await_nobody()
        begun = time.monotonic()
        end = self.comes_back()
        up_after = time.monotonic() - begun
        print(f"first process, {service} {step!r}{'' if seen else ' (step not seen)'}: children gone after {gone_after:.2f} s, "
              f"up in the {end} topology after {up_after:.1f} s, "
              f"{len(writer.acknowledged)} written", flush=True)
        self.check_written(writer)


class GatewayKills(KillCase):
    START = {"all": {"services": list(SERVICES)}}

    def steps(self):
        return self.random.sample(GATEWAY, 3) if MODE == "short" else GATEWAY

    def begin(self, step):
        """(the first process and its successor, the command)"""
        writer = Writer(self.platform)
        apply = self.begin_move("all")
        seen = self.wait_for(apply, step)
        # While it moves, the topology shows both.
        old = self.gateway
        successors = serving_processes(self.platform.data, (b"succeed",)) - {old}
        return writer, apply, seen, successors

    def setUp(self):
        super().setUp()
        self.gateway = self.platform.process.pid

    def test_the_successor_at_any_step(self):
        for step in self.steps():
            with self.subTest(step=step):
                self.kill_successor(step)

    def kill_successor(self, step):
        """Before it has the control everything goes back; afterwards it is the gateway, and the platform ends with it."""
        platform = self.platform
        writer, apply, seen, successors = self.begin(step)
        for pid in successors:
            os.kill(pid, signal.SIGKILL)
        apply.communicate(timeout=120 * SLOWNESS)
        deadline = time.monotonic() + 2 * SLOWNESS
        while platform.process.poll() is None and apply.returncode != ROLLED_BACK and time.monotonic() < deadline:
            time.sleep(0.01)
        ended = platform.process.poll() is not None
        writer.end()
        if ended:
            self.assertNotEqual(platform.process.returncode, 0)
            self.await_nobody()
            end = self.comes_back()
            self.gateway = platform.process.pid
        else:
            self.assertEqual(apply.returncode, ROLLED_BACK if successors else MOVED)
            if apply.returncode == ROLLED_BACK:
                self.groups = self.before
            end = "old" if apply.returncode == ROLLED_BACK else "new"
            status = self.serves_again()
            self.gateway = status["groups"][0]["processes"][0]["pid"]
        print(f"successor {step!r}{'' if seen else ' (step not seen)'}: killed {len(successors)}, apply said {apply.returncode}, "
              f"the platform {'ended and came back' if ended else 'went on'} in the {end} topology, "
              f"{len(writer.acknowledged)} written", flush=True)
        self.check_written(writer)

    def test_the_first_process_at_any_step(self):
        for step in self.steps():
            with self.subTest(step=step):
                self.kill_first(step)

    def kill_first(self, step):
        """It is the pid that people know: all end with it, also when another has its work."""
        platform = self.platform
        writer, apply, seen, _ = self.begin(step)
        platform.process.kill()
        platform.process.wait()
        writer.end()
        apply.communicate(timeout=60)
        gone_after = self.await_nobody()
        end = self.comes_back()
        self.gateway = platform.process.pid
        print(f"first process {step!r}{'' if seen else ' (step not seen)'}: all gone after {gone_after:.2f} s, up in the {end} "
              f"topology, {len(writer.acknowledged)} written", flush=True)
        self.check_written(writer)

    def test_the_first_process_after_others_took_its_place(self):
        for kill in "first", "gateway", "stop":
            for _ in range(2):
                self.rounds += 1
                self.before = self.groups
                self.groups = {"all": {"services": list(SERVICES), "revision": f"r{self.rounds}"}}
                code, move = self.platform.apply(self.groups)
                self.assertEqual(code, MOVED, move)
            deadline = time.monotonic() + 10 * SLOWNESS  # the one between is just ending
            while len(gateways := serving_processes(self.platform.data, (b"succeed",))) > 1 and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(len(gateways), 1)
            if kill == "stop":
                self.platform.process.send_signal(signal.SIGTERM)
            else:
                os.kill(self.platform.process.pid if kill == "first" else gateways.pop(), signal.SIGKILL)
            self.platform.process.wait(60 * SLOWNESS)
            self.assertEqual(self.platform.process.returncode, {"first": -signal.SIGKILL, "gateway": 1, "stop": 0}[kill])
            self.await_nobody()
            self.assertEqual(self.comes_back(), "new")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("short", "long"):
        MODE = sys.argv.pop(1)
    unittest.main()
