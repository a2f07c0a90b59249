#!/usr/bin/env python3
"""Plants one violation of each rule and expects it to be found: a tidy that finds nothing proves nothing otherwise."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import code_rules
import tree_rules


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return [f for check in (*tree_rules.CHECKS, *code_rules.CHECKS) for f in check(root, sorted(files))]


class Tidy(unittest.TestCase):
    def expect(self, files, words):
        found = findings(files)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_layers(self):
        self.expect({"src/base/a.cc": '#include "net/http.h"\n'}, "base includes net")
        self.expect({"src/services/a/a.cc": '#include "services/b/b.h"\n'}, "another service")
        self.expect({"src/services/a/a.cc": '#include "rpc/route.h"\n'}, "includes rpc")
        self.assertEqual(findings({"src/services/dataprep/a.cc": '#include "net/http.h"\n'}), [])
        self.assertEqual(findings({"src/services/a/test_a.h": '#pragma once\n#include "remote/b.h"\n'}), [])
        self.assertEqual(findings({"src/services/a/a.cc": '#include "services/a/b.h"\n'}), [])

    def test_calls(self):
        for code in ("auto t = std::chrono::system_clock::now();", "int x = rand();", "sleep(1);", "char* p = getenv(name);",
                     "auto* p = new Thing(1);", "throw Bad();", "std::regex r;", "popen(command, mode);", "thread.detach();",
                     "std::binary_semaphore s(0);", "if (co_await Ready()) {}",
                     "auto f = [x](int y) -> Task<int> { co_return x; };"):
            with self.subTest(code):
                self.expect({"src/base/a.cc": code + "\n"}, "src/base/a.cc:1: ")
                self.assertEqual(findings({"src/base/a.cc": "// " + code + "\n"}), [])
                self.assertEqual(findings({"src/base/a.cc": "// tidy: a reason\n" + code + "\n"}), [])
        self.assertEqual(findings({"src/base/a.cc": "std::unique_ptr<T> p(new T(1));\nstatic T* q = new T;\n"}), [])

    def test_headers(self):
        self.expect({"src/base/a.h": "int x;\n"}, "#pragma once")
        self.expect({"src/base/a.h": "#pragma once\n#include <sqlite3.h>\n"}, "third-party header")

        inner = "#pragma once\n// A socket. Only for net's own\n// .cc files.\n#include <boost/asio.hpp>\n"
        self.assertEqual(findings({"src/net/a.h": inner, "src/net/a.cc": '#include "net/a.h"\n'}), [])
        self.expect({"src/net/a.h": inner, "src/edge/a.cc": '#include "net/a.h"\n'}, "internal")

    def test_types(self):
        def both(first, second="namespace tessera {\nstruct Thing { int x; };\n}\n", name="src/net/b.cc"):
            return {"src/base/a.cc": first, name: second}

        planted = ("namespace tessera {\nclass Thing final : public Other {\n};\n}\n",
                   "namespace tessera {\nnamespace {\nint x = f({1});\n}\nenum class Thing : int { kA };\n}\n",
                   "namespace tessera {\ntemplate <class T>\nstruct [[nodiscard]] Thing {};\n}\n",
                   "#define OPEN {\nnamespace tessera {\nvoid F() { G(); }\nunion Thing\n{ };\n}\n")
        for first in planted:
            with self.subTest(first):
                self.expect(both(first), "src/net/b.cc:2: tessera::Thing is defined in src/base/a.cc too")
        for first in ("namespace tessera {\nnamespace {\nstruct Thing {};\n}\n}\n",
                      "namespace tessera {\nclass Thing;\nstruct Thing* F();\n}\n",
                      "namespace tessera {\nvoid F() {\n  struct Thing {};\n}\nclass A {\n  struct Thing {};\n};\n}\n",
                      "namespace tessera::toy {\nstruct Thing {};\n}\n",
                      "namespace tessera {\n// struct Thing {\nconst char* s = \"struct Thing {\";\n}\n"):
            with self.subTest(first):
                self.assertEqual(findings(both(first)), [])
        head = "#pragma once\nnamespace tessera {\nstruct Thing {};\n}\n"
        self.expect({"src/base/a.h": head, "src/net/b.h": head}, "src/net/b.h:3: tessera::Thing")
        proto = 'package tessera.v1;\nservice Thing {\n}\nmessage Other {\n}\n'
        self.expect({"proto/tessera/v1/a.proto": proto, "src/net/b.cc": both("")["src/net/b.cc"]}, "a.proto too")
        self.expect({"proto/tessera/v1/a.proto": proto, "src/net/b.cc": "namespace tessera::v1 {\nstruct Other {};\n}\n"},
                    "a.proto too")

    def test_tree(self):
        self.expect({"src/base/CMakeLists.txt": "tessera_module(base)\n"}, "no README.md")
        self.expect({"src/base/a.cc": "\n" * 900}, "900 lines")
        self.expect({"a.bin": "x" * 500_000}, "500000 bytes")
        self.expect({"docs/a.md": "[x](b.md)\n"}, "link to b.md")
        self.expect({"web/package-lock.json": '{"resolved": "x"}'}, "download addresses")
        self.expect({"run": "if then\n"}, "run:")


if __name__ == "__main__":
    unittest.main()
