"""Documents made for the tests: a long PDF, a DOCX, an EML and a ZIP of them, with facts to ask for."""
import email.message
import io
import zipfile


def pdf(pages):
    """A PDF of plain Helvetica text; `pages` is a list of lists of lines."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"",
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    kids = []
    for lines in pages:
        text = "BT /F1 11 Tf 60 780 Td 16 TL " + " ".join(
            "({}) Tj T*".format(line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")) for line in lines
        ) + " ET"
        stream = text.encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
                       b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for place in places:
        out.write(b"%010d 00000 n \n" % place)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def docx(title, paragraphs):
    def paragraph(text, style=""):
        return f"<w:p>{style}<w:r><w:t>{text}</w:t></w:r></w:p>"
    heading = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    body = paragraph(title, heading) + "".join(paragraph(text) for text in paragraphs)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml",
                         '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
                         'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
                         'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override '
                         'PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
                         'wordprocessingml.document.main+xml"/></Types>')
        archive.writestr("_rels/.rels",
                         '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/'
                         'package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/'
                         'officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>')
        archive.writestr("word/document.xml",
                         '<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="http://schemas.openxmlformats.org/'
                         f'wordprocessingml/2006/main"><w:body>{body}</w:body></w:document>')
    return out.getvalue()


def eml(subject, text):
    message = email.message.EmailMessage()
    message["From"] = "Harbour Office <office@harbour.example>"
    message["To"] = "crew@harbour.example"
    message["Date"] = "Mon, 02 Nov 2026 09:30:00 +0000"
    message["Subject"] = subject
    message.set_content(text)
    return message.as_bytes()


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


TOPICS = ["anchors", "bilges", "capstans", "davits", "engines", "fenders", "galleys", "hawsers", "keels", "lanterns"]


def handbook(pages=230):
    """A handbook of `pages` pages; each page has a number that is nowhere else."""
    made = []
    for n in range(1, pages + 1):
        topic = TOPICS[n % len(TOPICS)]
        made.append([
            f"Chapter {n}: care of {topic} of class {n}",
            f"The {topic} of class {n} are inspected every {3 + n % 9} weeks by two persons of the crew.",
            f"Spare part {n * 37 + 1000} fits the {topic} of class {n} and no other.",
            "Write what was found into the log and have it signed before the watch ends.",
        ])
    return pdf(made)


def harbour():
    """One of each kind, by file name, with facts to ask for."""
    return {
        "handbook.pdf": handbook(),
        "minutes.docx": docx("Minutes of the crew", [
            "The crew met on the quay.", "It was decided that the summer party takes place on the eleventh of July.",
            "Mrs Okafor keeps the minutes."]),
        "storm.eml": eml("Storm warning", "The north gate of the harbour is closed from Tuesday at "
                                          "noon until the storm has passed.\n"),
        "old.zip": archive({
            "1998/ferry.txt": "The first ferry to Skerra left on the ninth of May 1998 with forty passengers.\n",
            "1998/bridge.docx": docx("The bridge", ["The swing bridge was painted green in 1998 by Ansel Moe."]),
        }),
    }
