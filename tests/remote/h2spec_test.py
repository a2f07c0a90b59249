"""h2spec, the conformance suite for HTTP/2 servers, against the remote door. Skipped (77) only when Go is missing."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))


def build(folder):
    """h2spec and what it needs, pinned by h2spec/go.mod, as a program in `folder`."""
    program = os.path.join(folder, "h2spec")
    subprocess.run(["go", "build", "-o", program, "github.com/summerwind/h2spec/cmd/h2spec"],
                   cwd=os.path.join(HERE, "h2spec"), check=True)
    return program


def main():
    if shutil.which("go") is None:
        print("skipped: h2spec is a Go program and `go` is not installed; Debian's golang-go is enough")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        door = subprocess.Popen([os.environ["TOY_DOOR"], "serve", os.path.join(folder, "toy.sock")],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            port = door.stdout.readline().strip()
            report = os.path.join(folder, "report.xml")
            subprocess.run([program, "-h", "127.0.0.1", "-p", port, "-P", "/tessera.toy.Toy/Ping", "-S", "-o", "3",
                            "-j", report], stdout=subprocess.DEVNULL, timeout=240)
            with open(report, "rb") as file:
                # A failure quotes the bytes of frames, which XML may not hold.
                text = re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b"?", file.read())
            cases = list(xml.etree.ElementTree.fromstring(text).iter("testcase"))
        finally:
            door.stdin.close()
            door.wait(timeout=30)
    failed = []
    skipped = 0
    for case in cases:
        skipped += case.find("skipped") is not None
        for problem in case.findall("failure") + case.findall("error"):
            failed.append(f"{case.get('package')}: {case.get('classname')}\n{problem.text}")
    print(*failed, sep="\n")
    print(f"{len(cases) - len(failed) - skipped} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed or len(cases) < 140 else 0


if __name__ == "__main__":
    sys.exit(main())
