// A small PDF writer: pages of text lines in Helvetica. Enough for a test document that is ours.

const escape = (line) => line.replace(/[\\()]/g, (found) => `\\${found}`);

/** The bytes of a PDF; `pages` is a list of lists of lines. */
export function pdf(title, pages) {
  const objects = [];
  const add = (body) => objects.push(body);
  const pageIds = pages.map((_, at) => 4 + at * 2);
  add("<< /Type /Catalog /Pages 2 0 R >>");
  add(`<< /Type /Pages /Count ${pages.length} /Kids [${pageIds.map((id) => `${id} 0 R`).join(" ")}] >>`);
  add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
  pages.forEach((lines, at) => {
    const text = lines.map((line) => `(${escape(line)}) Tj T*`).join("\n");
    const stream = `BT /F1 11 Tf 15 TL 72 760 Td\n${text}\nET`;
    add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + at * 2} 0 R >>`,
    );
    add(`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`);
  });
  add(`<< /Title (${escape(title)}) >>`);
  let out = "%PDF-1.4\n";
  const offsets = objects.map((body, at) => {
    const offset = out.length;
    out += `${at + 1} 0 obj\n${body}\nendobj\n`;
    return offset;
  });
  const start = out.length;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  out += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}`;
  out += `trailer << /Size ${objects.length + 1} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${start}\n%%EOF\n`;
  return Buffer.from(out, "latin1");
}

const kFiller = [
  "The parties have agreed on the following general provisions, which apply to the whole",
  "of this contract unless a special clause says otherwise. Notices are given in writing.",
];

/** A lease of five pages; what the tests ask about is on its third page. */
export function leasePdf() {
  const page = (heading, ...lines) => [heading, "", ...lines, "", ...kFiller];
  return pdf("Lease of the Hallenberg mill", [
    page("1 Premises", "The landlord lets the old mill at Hallenberg, with its yard and its two barns, to the tenant.",
      "The premises may be used as a pottery and for the sale of what is made there."),
    page("2 Rent", "The monthly rent is 4250 euros, payable in advance on the third working day of the month.",
      "Heating and water are paid apart, by what the meters say."),
    page("3 Term", "The lease begins on 1 March 2024 and ends on 28 February 2029.",
      "The tenant may terminate the lease early by giving six months notice to the landlord in writing.",
      "The landlord may not terminate it before the end of the term."),
    page("4 Deposit", "A deposit of three months of rent is kept by the bank of Winterberg.",
      "It is returned eight weeks after the keys were handed back."),
    page("5 Repairs", "The tenant repairs windows, doors and locks. The landlord repairs the roof and the wheel."),
  ]);
}
