"""Documents of many kinds whose every paragraph can be told from all others, so that a missing or a doubled one shows."""
import base64
import email.message
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import make_documents as make

WORDS = """harbour lantern granite meadow copper whistle orchard velvet thunder biscuit ladder compass marble feather
saddle pepper glacier violin magnet pillow rocket cinnamon tunnel parrot emerald bucket canyon sparrow hammer blanket
walnut mirror dragon needle cactus ribbon island anchor kettle shadow winter basket pencil garden silver monkey bridge
candle forest button carpet engine falcon guitar helmet jacket kitten lemon mitten napkin oyster paddle quartz rabbit""".split()
LETTERS = "bcdfghjklmnprstvwz"
KINDS = ("txt", "txt", "md", "html", "csv", "json", "docx", "eml", "zip", "pdf")


class Text:
    """The text of one document: paragraphs with a mark each, and a word that no other document has."""

    def __init__(self, random, paragraphs):
        self.word = "q" + "".join(random.choice(LETTERS) for _ in range(11))
        self.marks = [f"mark{n}of{self.word}" for n in range(paragraphs)]
        self.paragraphs = []
        for mark in self.marks:
            said = " ".join(random.choice(WORDS) for _ in range(random.randint(14, 30)))
            self.paragraphs.append(f"The {self.word} paper says {mark} about {said}.")


class File:
    """A file to upload: its bytes, and the documents that come of it, by name."""

    def __init__(self, name, content, texts):
        self.name, self.content, self.texts = name, content, texts
        self.sha256 = hashlib.sha256(content).hexdigest()


def make_file(random, stem, kind=None, paragraphs=None, ballast=0):
    """A file of a kind chosen at random; `ballast` bytes that are no text make an HTML or PDF file long to send."""
    kind = kind or random.choice(KINDS)
    text = Text(random, paragraphs or random.randint(2, 6))
    name = f"{stem}.{kind}"
    texts = {name: text}
    lines = text.paragraphs
    if kind == "txt":
        content = "\n\n".join(lines).encode()
    elif kind == "md":
        content = f"# Paper {text.word}\n\n".encode() + "\n\n".join(lines).encode()
    elif kind == "html":
        padding = base64.b64encode(random.randbytes(ballast * 3 // 4)).decode()
        content = (f"<html><head><title>Paper {text.word}</title></head><body><!-- {padding} --><main>"
                   + "".join(f"<p>{line}</p>" for line in lines) + "</main></body></html>").encode()
    elif kind == "csv":
        content = ("number,remark\n" + "".join(f"{n},{line}\n" for n, line in enumerate(lines))).encode()
    elif kind == "json":
        content = json.dumps([{"number": n, "remark": line} for n, line in enumerate(lines)]).encode()
    elif kind == "docx":
        content = make.docx(f"Paper {text.word}", lines)
    elif kind == "eml":
        attached = Text(random, 2)
        content = mail(text, attached)
        texts[f"{name}/attached.txt"] = attached
    elif kind == "zip":
        inside = {f"in/{n}.txt": Text(random, random.randint(1, 3)) for n in range(random.randint(2, 4))}
        content = make.archive({path: "\n\n".join(text.paragraphs) for path, text in inside.items()})
        texts = {f"{name}/{path}": text for path, text in inside.items()}
    else:
        content = make.pdf([pdf_lines(lines[n:n + 4]) for n in range(0, len(lines), 4)])
    return File(name, content, texts)


def pdf_lines(paragraphs):
    """Paragraphs as lines that fit a page, a paragraph's mark in its first line."""
    lines = []
    for paragraph in paragraphs:
        words = paragraph.split()
        lines += [" ".join(words[n:n + 9]) for n in range(0, len(words), 9)]
    return lines


def mail(text, attached):
    message = email.message.EmailMessage()
    message["From"], message["To"] = "office@harbour.example", "crew@harbour.example"
    message["Date"] = "Mon, 02 Nov 2026 09:30:00 +0000"
    message["Subject"] = f"Paper {text.word}"
    message.set_content("\n\n".join(text.paragraphs))
    message.add_attachment("\n\n".join(attached.paragraphs), filename="attached.txt")
    return message.as_bytes()
