#!/usr/bin/env python3
"""The command line without a server: help, mistakes, exit codes, completion, configuration."""
import json
import subprocess
import unittest

from harness import BIN, Case

COMMANDS = ["up", "ingest", "ask", "search", "models list", "models add", "models remove", "backup", "restore",
            "doctor", "bundle", "config check", "config explain", "config reference", "config schema", "completion", "help", "version"]


class Help(Case):
    def test_every_command_teaches(self):
        for command in COMMANDS:
            with self.subTest(command):
                out, err = self.tessera(*command.split(), "--help")
                self.assertEqual(err, "")
                self.assertIn(f"tessera {command}: ", out.splitlines()[0])
                self.assertIn("Usage: tessera " + command, out)
                self.assertIn("Exit codes:", out)
                if command != "version":
                    self.assertIn("Examples:\n  ", out)
                self.assertLessEqual(max(map(len, out.splitlines())), 110)

    def test_without_a_command(self):
        out, err = self.tessera(code=2)
        self.assertIn("Commands:", err)
        self.assertIn("Commands:", self.tessera("--help")[0])

    def test_help_of_a_topic(self):
        self.assertEqual(self.tessera("help", "config", "check")[0], self.tessera("config", "check", "--help")[0])
        self.assertIn("unknown command", self.tessera("help", "cofnig", code=2)[1])

    def test_version(self):
        self.assertRegex(self.tessera("version")[0], r"^tessera \d+\.\d+\.\d+\n$")
        self.assertEqual(self.tessera("version")[0], self.tessera("--version")[0])

    def test_man_page(self):
        page = self.tessera("help", "--man")[0]
        self.assertTrue(page.startswith(".TH TESSERA 1"))
        for command in COMMANDS:
            self.assertIn(f".SS tessera {command}".replace("-", "\\-"), page)


class Mistakes(Case):
    def wrong(self, *words):
        out, err = self.tessera(*words, code=2)
        self.assertEqual(out, "")
        return err

    def test_they_are_named_and_mended(self):
        self.assertEqual(self.wrong("ingset", "x"),
                         'tessera: unknown command "ingset"; did you mean "ingest"?\nSee "tessera --help".\n')
        self.assertEqual(self.wrong("ingest", "--colection", "a", "b"),
                         'tessera ingest: unknown option --colection; did you mean --collection?\n'
                         'See "tessera ingest --help".\n')
        self.assertIn("PATH is missing", self.wrong("ingest"))
        self.assertIn("--limit needs one number", self.wrong("search", "--limit", "many", "x"))
        self.assertIn("--limit: must be from 1 to 200", self.wrong("search", "--limit", "0", "x"))
        self.assertIn("--mode must be one of hybrid, bm25, vector", self.wrong("search", "--mode", "fast", "x"))
        self.assertIn("one argument too many", self.wrong("version", "now"))
        self.assertIn("a command is needed", self.wrong("models"))
        self.assertIn("give --url or --data, not both", self.wrong("search", "--url", "http://x", "--data", "d", "q"))
        self.assertIn("write for example http://127.0.0.1:8080", self.wrong("search", "--url", "localhost", "q"))

    def test_what_is_not_there(self):
        self.assertIn("nothing-here", self.tessera("ingest", "nothing-here", code=1)[1])
        empty = self.path("empty")
        self.write("empty/.hidden", "x")
        err = self.tessera("ingest", empty, code=1)[1]
        self.assertIn("left out: 1 × hidden", err)
        self.assertIn("no document found", err)

    def test_nobody_there(self):
        err = self.tessera("search", "--url", "http://127.0.0.1:1", "query", code=4)[1]
        self.assertIn("no server answers at http://127.0.0.1:1", err)


class Configuration(Case):
    def test_every_mistake_with_its_place(self):
        file = self.write("t.yaml", "sevrer: {}\nservices: 3\n")
        err = self.tessera("config", "check", file, code=3)[1]
        self.assertEqual(err, f'{file}:1:1: sevrer: unknown key; did you mean "server"?\n'
                              f"{file}:2:11: services: expected a map of sections\n")
        report = self.tessera_json("config", "check", file, code=3)
        self.assertEqual([(e["line"], e["column"]) for e in report["errors"]], [(1, 1), (2, 11)])
        err = self.tessera("up", "--data", self.path("d"), "--config", file, code=3)[1]
        self.assertIn(":1:1: sevrer: unknown key", err)

    def test_a_file_that_is_not_there(self):
        self.assertIn("cannot read", self.tessera("config", "check", "nothing.yaml", code=3)[1])

    def test_defaults_read_back(self):
        shown = self.tessera("config", "check", "--show", "-", input="")[0]
        self.assertIn("server:", shown)
        self.assertEqual(self.tessera("config", "check", "--show", "-", input=shown)[0], shown)

    def test_explain(self):
        self.assertIn("server\n", self.tessera("config", "explain")[0])
        self.assertIn("default:", self.tessera("config", "explain", "server")[0])
        self.assertIn('did you mean "server"?', self.tessera("config", "explain", "sevrer", code=2)[1])

    def test_schema_is_json(self):
        schema = json.loads(self.tessera("config", "schema")[0])
        self.assertIn("server", schema["properties"])


class Models(Case):
    def test_a_file_that_is_no_model(self):
        err = self.tessera("models", "add", self.write("x.gguf", "no"), "--data", self.path("d"), code=1)[1]
        self.assertIn("is no GGUF file", err)
        self.assertIn("cannot be read", self.tessera("models", "add", "nothing.gguf", code=1)[1])
        self.assertIn('no added model "x"', self.tessera("models", "remove", "x", "--data", self.path("d"), code=1)[1])


class Completion(Case):
    def bash(self, *words):
        """What bash offers for the last of the words."""
        script = self.write("c.bash", self.tessera("completion", "bash")[0])
        line = " ".join(f"'{word}'" for word in words)
        done = subprocess.run(
            ["bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _tessera 2>/dev/null; "
                           'printf "%s\\n" "${COMPREPLY[@]}"'],
            capture_output=True, text=True, check=True, cwd=self.root)
        return done.stdout.split()

    def test_bash(self):
        self.assertIn("ingest", self.bash("tessera", ""))
        self.assertEqual(self.bash("tessera", "ing"), ["ingest"])
        self.assertEqual(self.bash("tessera", "config", "ch"), ["check"])
        self.assertEqual(self.bash("tessera", "search", "--mode", ""), ["hybrid", "bm25", "vector"])
        self.assertEqual(self.bash("tessera", "search", "--li"), ["--limit"])
        self.assertEqual(self.bash("tessera", "completion", "f"), ["fish"])
        self.write("letters/a.txt", "x")
        self.assertIn("letters", self.bash("tessera", "ingest", "let"))

    def test_bash_registers_itself(self):
        script = self.write("c.bash", self.tessera("completion", "bash")[0])
        done = subprocess.run(["bash", "-c", f"source {script}; complete -p tessera"], capture_output=True, text=True)
        self.assertEqual(done.stdout, "complete -F _tessera tessera\n")

    def test_other_shells(self):
        self.assertTrue(self.tessera("completion", "zsh")[0].startswith("#compdef tessera"))
        fish = self.tessera("completion", "fish")[0]
        self.assertIn("complete -c tessera -n '__fish_use_subcommand' -a ingest", fish)
        self.assertIn("SHELL must be one of bash, zsh, fish", self.tessera("completion", "tcsh", code=2)[1])


if __name__ == "__main__":
    unittest.main(verbosity=1)
