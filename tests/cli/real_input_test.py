#!/usr/bin/env python3
"""Documents of every kind go in together and are answered from: a PDF of 230 pages, DOCX, EML, and a ZIP of these."""
import unittest

import make_documents as make
from harness import Case


class RealInput(Case):
    def test_every_kind_is_answered_from(self):
        for name, content in make.harbour().items():
            self.write(f"in/{name}", content)
        server = self.start(self.path("data"))
        target = ("--url", server.url, "--key", server.key())
        report = self.tessera_json("ingest", self.path("in"), *target)
        self.assertEqual(report["failed"], 0, report)
        for question, fact, document, page in (
                ("Which spare part fits the fenders of class 215?", "8955", "handbook.pdf", 215),
                ("When does the summer party take place?", "eleventh of July", "minutes.docx", None),
                ("From when is the north gate of the harbour closed?", "Tuesday", "storm.eml", None),
                ("When did the first ferry to Skerra leave?", "ninth of May 1998", "ferry.txt", None),
                ("Who painted the swing bridge?", "Ansel Moe", "bridge.docx", None)):
            with self.subTest(question):
                answer = self.tessera_json("ask", question, *target)
                self.assertIn(fact, answer["answer"])
                cited = [c for c in answer["citations"] if fact in c["quote"]]
                self.assertTrue(cited, answer["citations"])
                self.assertTrue(cited[0]["document"].endswith(document), cited[0])
                if page:
                    self.assertEqual(cited[0]["page"], page)
        answer = self.tessera_json("ask", "What is the boiling point of tungsten in the shade of a violin?", *target)
        self.assertTrue(answer["nothing_found"], answer)


if __name__ == "__main__":
    unittest.main(verbosity=1)
