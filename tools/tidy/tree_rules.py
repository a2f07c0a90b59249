"""Rules about files: READMEs, sizes, links, lock files, shell syntax."""
import os
import re
import subprocess

LINES_MAX = 800
BYTES_MAX = 400 * 1024
LONG_FILES_ALLOWED = {"web/package-lock.json"}
SOURCE = (".h", ".cc", ".ts", ".tsx", ".py", ".proto", ".css", ".sh")


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def check_readmes(root, paths):
    """Every module of src/ explains itself on at most a page."""
    known = set(paths)
    for path in paths:
        if not re.fullmatch(r"src/.+/CMakeLists\.txt", path) or "tessera_module(" not in read(root, path):
            continue
        readme = os.path.dirname(path) + "/README.md"
        if readme not in known:
            yield f"{os.path.dirname(path)}: no README.md; say in a page what the module is for, its entry points and invariants"


def check_sizes(root, paths):
    for path in paths:
        size = os.path.getsize(os.path.join(root, path))
        if size > BYTES_MAX and path not in LONG_FILES_ALLOWED:
            yield f"{path}: {size} bytes; fetch or generate large files instead of committing them"
        if path.endswith(SOURCE):
            lines = read(root, path).count("\n")
            if lines > LINES_MAX:
                yield f"{path}: {lines} lines; split it by subject (300 is the aim, {LINES_MAX} the end)"


def check_links(root, paths):
    """Relative links of Markdown files lead somewhere."""
    for path in paths:
        if not path.endswith(".md") or "_corpus/" in path or "/testdata/" in path:
            continue
        text = re.sub(r"```.*?```", "", read(root, path), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"`[^`\n]*`", "", text)):
            if re.match(r"[a-z]+:", target):
                continue
            if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
                yield f"{path}: link to {target}, which is not there; mend or remove it"


def check_lock_files(root, paths):
    for path in paths:
        if path.endswith("package-lock.json") and '"resolved"' in read(root, path):
            yield (f"{path}: records download addresses; "
                   "run npm install --package-lock-only --omit-lockfile-registry-resolved")


def check_shell(root, paths):
    for path in paths:
        if path.endswith(".sh") or path in ("run", "test", ".ci/run"):
            done = subprocess.run(["sh", "-n", path], cwd=root, capture_output=True, text=True)
            if done.returncode:
                yield f"{path}: {done.stderr.strip()}"


CHECKS = (check_readmes, check_sizes, check_links, check_lock_files, check_shell)
