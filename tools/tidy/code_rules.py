"""Rules about C++ text: who includes whom, banned calls, coroutine shapes."""
import re

from tree_rules import read

# A module may include modules of a lower rank, and those named for it in EXTRA.
RANK = {
    "base": 0, "config": 1, "runtime": 1, "telemetry": 2, "net": 3, "store": 4, "model": 4, "identity": 4, "flags": 4, "extract": 4, "rpc": 5, "promql": 4, "monitoring": 5, "traces": 5, "logs": 5, "profiling": 5, "remote": 6, "otlp": 7,
    "services": 7, "edge": 8, "control": 8, "app": 9,
}
# Services know the generated interfaces, never the wire; two of them dial out, through net's guard.
SERVICE_FORBIDDEN = {"rpc", "remote", "net"}
SERVICE_DIALS_OUT = {"dataprep", "inference"}
# Headers that a public header of ours may show (STYLE: others stay inside the .cc that wraps them).
HEADER_ALLOWED = re.compile(r"absl/|google/protobuf/|gtest/|gmock/|[a-z_0-9]+>|sys/|netinet/|arpa/|(?:unistd|fcntl|poll|signal|dirent)\.h>")

BANNED = (
    (r"\bsystem_clock::now\b", "use Clock (base/clock.h), which tests can set", ("src/base/clock.cc",)),
    (r"(?<![\w.>:])s?rand\s*\(", "use base/ids.h or <random>", ()),
    (r"\bsleep_(?:for|until)\s*\(|(?<![\w.>:])u?sleep\s*\(", "use SleepFor(ctx, …) (runtime/timer.h)", ()),
    (r"(?<![\w.>:\"])(?:std::)?getenv\s*\(", "take it from Config or from main", ("src/app/", "src/config/secret.cc")),
    (r"(?<!operator )\bnew\s+(?!\()[A-Za-z_:]+[\w:<>, ]*[({;]", "use std::make_unique", ()),
    (r"\bthrow\b(?!\s*\()\s*[\w:;]", "return a Status", ()),
    (r"\bstd::(?:binary|counting)_semaphore\b", "use a mutex and a condition variable: it stalls with libstdc++ 12", ()),
    (r"\bstd::w?regex\b", "use RE2: std::regex overflows its stack on hostile input", ()),
    (r"(?<![\w.>:])(?:popen|system)\s*\(", "start children without a shell", ()),
    (r"(?<![\w.>:])(?:strcpy|strcat|sprintf|gets)\s*\(", "use absl::StrCat or snprintf", ()),
    (r"\.detach\s*\(\s*\)", "background work belongs to a Scope (runtime/scope.h)", ()),
)
COROUTINE = (
    (r"\b(?:if|switch|while)\s*\(\s*co_await\b", "name it, then test it (C5)"),
    (r"\[[^\]\n]*[=&\w][^\]\n]*\]\s*\([^)]*\)\s*(?:mutable\s*)?->\s*(?:tessera::)?Task<", "no coroutine lambda with captures: write a named function (C3)"),
)


def module_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


def service_of(path):
    parts = path.split("/")
    return parts[2] if parts[:2] == ["src", "services"] and len(parts) > 3 else None


def for_tests(path):
    """What several tests share: testing/…, test_….h."""
    return "/testing/" in path or path.rsplit("/", 1)[1].startswith("test_")


def without_comments(text):
    """The text with comments and string contents blanked, line numbers kept."""
    def blank(match):
        token = match.group(0)
        if token.startswith("R\""):
            return re.sub(r"[^\n]", " ", token)
        if token.startswith(("\"", "'")):
            return token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return re.sub(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'|//[^\n]*|/\*.*?\*/', blank, text, flags=re.S)


def owned(code, found):
    """A `new` that goes straight into an owner's parentheses, or makes an object that lives for ever."""
    line = code[code.rfind("\n", 0, found.start()) + 1:found.start()]
    return found.group(0).startswith("new") and (code[:found.start()].rstrip().endswith("(") or "static " in line)


def excused(lines, number):
    return any("// tidy:" in lines[i] for i in (number - 1, number - 2) if 0 <= i < len(lines))


def check_layers(root, paths):
    for path in paths:
        module = module_of(path)
        if module is None or not path.endswith((".h", ".cc")):
            continue
        if module not in RANK:
            yield f"{path}: module {module} has no layer; give it one in tools/tidy/code_rules.py"
            continue
        test = path.endswith("_test.cc") or for_tests(path)
        for number, line in enumerate(read(root, path).splitlines(), 1):
            found = re.match(r'#include "([a-z_]+)/([a-z_0-9]+)?', line)
            if not found or found.group(1) not in RANK or found.group(1) == module != "services":
                continue
            other = found.group(1)
            where = f"{path}:{number}"
            if module == "services" and other == "services":
                if found.group(2) != service_of(path):
                    yield f"{where}: a service includes another service; use its generated interface"
            elif RANK[other] >= RANK[module] and not test:
                yield f"{where}: {module} includes {other}, which lies above or beside it; turn the dependency round"
            elif module == "services" and other in SERVICE_FORBIDDEN and not test:
                if not (other == "net" and service_of(path) in SERVICE_DIALS_OUT):
                    yield f"{where}: a service includes {other}; it must not know whether its neighbour is local"


def internal(text):
    """A header that says, in its first lines, that it is only for its module's own .cc files."""
    return re.search(r"Only for \w+'s own \.cc files", " ".join(text.splitlines()[:6]).replace("// ", ""))


def check_internal(root, paths):
    """Headers that are internal to a module are included by that module only."""
    hidden = {p[len("src/"):] for p in paths if p.startswith("src/") and p.endswith(".h") and internal(read(root, p))}
    for path in paths:
        if not path.startswith("src/") or not path.endswith((".h", ".cc")):
            continue
        for found in re.finditer(r'#include "([^"]+)"', read(root, path)):
            if found.group(1) in hidden and found.group(1).rsplit("/", 1)[0] != path[len("src/"):].rsplit("/", 1)[0]:
                yield f"{path}: includes {found.group(1)}, which is internal to its module"


def check_headers(root, paths):
    for path in paths:
        if not path.startswith("src/") or not path.endswith(".h"):
            continue
        text = read(root, path)
        if "#pragma once" not in text:
            yield f"{path}: no #pragma once"
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            found = re.match(r"#include <([^>]+>)", line)
            if found and not internal(text) and not HEADER_ALLOWED.match(found.group(1)) and not excused(lines, number):
                yield (f"{path}:{number}: third-party header in a header; "
                       "keep it inside the .cc that wraps it")


def check_calls(root, paths):
    for path in paths:
        if not path.startswith("src/") or not path.endswith((".h", ".cc")):
            continue
        test = path.endswith(("_test.cc", "_bench.cc", "_fuzz.cc"))
        text = read(root, path)
        lines = text.splitlines()
        code = without_comments(text)
        rules = [(p, h) for p, h, allowed in BANNED if not path.startswith(tuple(allowed) or ("\0",))]
        for pattern, hint in rules if not test else ():
            for found in re.finditer(pattern, code):
                number = code.count("\n", 0, found.start()) + 1
                if not excused(lines, number) and not owned(code, found):
                    yield f"{path}:{number}: {found.group(0).strip()}; {hint}"
        for pattern, hint in COROUTINE:
            for found in re.finditer(pattern, code):
                number = code.count("\n", 0, found.start()) + 1
                if not excused(lines, number):
                    yield f"{path}:{number}: {found.group(0).strip()}; {hint}"


TYPE_TOKENS = re.compile(
    r"(?P<space>\b(?:inline\s+)?namespace\b(?P<name>[^{};=]*)\{)"
    r"|(?P<type>\b(?:enum\s+(?:class|struct)|class|struct|union|enum)\s+(?:\[\[[^\]]*\]\]\s*)?(?:alignas\([^)]*\)\s*)?"
    r"(?P<word>[A-Za-z_]\w*)(?:\s+final)?\s*(?::(?!:)[^;{}]*)?\{)"
    r'|(?P<linkage>\bextern\s*"[^"]*"\s*\{)|(?P<open>\{)|(?P<close>\})')


def types_of(text):
    """(qualified name, line) of every class, struct, union and enum that the text defines where linkers see it:
    at namespace scope, outside an anonymous namespace."""
    code = without_comments(text)
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"), code, flags=re.M)
    scopes = []  # the namespace's name, "" for extern "C", None for all that hides its types
    for found in TYPE_TOKENS.finditer(code):
        if found["close"]:
            if scopes:
                scopes.pop()
        elif found["space"]:
            scopes.append(re.sub(r"\s|\[\[.*?\]\]", "", found["name"]) or None)
        elif found["linkage"]:
            scopes.append("")
        else:
            if found["type"] and None not in scopes:
                yield "::".join([s for s in scopes if s] + [found["word"]]), code.count("\n", 0, found.start("word")) + 1
            scopes.append(None)


def check_types(root, paths):
    """Two definitions of one name are one type to the linker: it takes either's functions for both (ODR)."""
    seen = {}
    for path in paths:
        if path.endswith(".proto"):
            package = re.search(r"^package ([\w.]+);", read(root, path), re.M)
            for found in re.finditer(r"^(message|enum|service) (\w+)", read(root, path), re.M):
                # The plugin puts a service's class, its router and its remote client into namespace tessera.
                spaces = package[1].replace(".", "::") if package and found[1] != "service" else "tessera"
                made = ("", "Router", "Remote") if found[1] == "service" else ("",)
                for name in (found[2] + suffix for suffix in made):
                    seen.setdefault(f"{spaces}::{name}", path)
    for path in paths:
        if not path.startswith(("src/", "tests/", "tools/")) or not path.endswith((".h", ".cc")):
            continue
        text = read(root, path)
        lines = text.splitlines()
        for name, number in types_of(text):
            first = seen.setdefault(name, path)
            if first != path and not excused(lines, number):
                yield (f"{path}:{number}: {name} is defined in {first} too; rename one, "
                       "or put it into an anonymous namespace")


CHECKS = (check_layers, check_internal, check_headers, check_calls, check_types)
