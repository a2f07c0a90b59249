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

/** A lease of five pages, each about as full as a page is; what the tests ask about stands on its third. */
export function leasePdf() {
  return pdf("Lease of the Hallenberg mill", [
    [
      "1 Premises", "",
      "The landlord lets the old mill at Hallenberg, with its yard and its two barns, to the tenant.",
      "The premises may be used as a pottery and for the sale of what is made there. Any other use",
      "needs the written consent of the landlord, who may refuse it only for a good reason.",
      "The larger barn holds the kiln; the smaller one is dry enough to store clay and firewood.",
      "A plan of the buildings is attached. Measures in it were taken in the autumn of 2023 and may",
      "differ from the truth by a few centimetres, which gives nobody a claim.",
      "The path along the stream stays open to the public between sunrise and sunset.",
      "Keys are handed over on the first morning: three for the mill and two for each barn.",
      "Lost keys are replaced by the tenant together with the locks that belong to them.",
      "The tenant has seen the premises and takes them as they stand, with the damp in the cellar.",
    ],
    [
      "2 Rent", "",
      "The monthly rent is 4250 euros, payable in advance on the third working day of the month.",
      "Heating and water are paid apart, by what the meters say at the turn of each quarter.",
      "When a payment is late by more than ten days, interest of five per cent a year is due on it.",
      "The tenant may set off claims against the rent only when they are undisputed.",
      "Every third year the rent follows the index of consumer prices, upwards as well as downwards.",
      "The landlord announces a change two months before it begins and adds the calculation.",
      "Taxes on the land are paid by the landlord, fees for waste and the chimney by the tenant.",
      "If the mill cannot be used because of a flood, half of the rent falls away for that time.",
      "The account for payments is named in the annex and changes only by a signed letter.",
    ],
    [
      "3 Term", "",
      "The lease begins on 1 March 2024 and ends on 28 February 2029.",
      "The tenant may terminate the lease early by giving six months notice to the landlord in writing.",
      "The landlord may not terminate it before the end of the term, unless the rent of two months",
      "in a row was not paid or the buildings are used against this contract in spite of a warning.",
      "After the term the parties may agree on five more years; silence does not prolong anything.",
      "Whoever wants to go on says so by the end of September of the last full year.",
      "When the tenant dies, the heirs may take over the contract or leave it within three months.",
      "A sale of the mill changes nothing for the tenant: the buyer steps into this contract.",
    ],
    [
      "4 Deposit", "",
      "A deposit of three months of rent is kept by the bank of Winterberg in an account of its own.",
      "It is returned eight weeks after the keys were handed back, together with what it has earned.",
      "The landlord may keep from it what is needed to repair damage beyond ordinary wear.",
      "Photographs of both sides, taken on the day of the handover, are the proof of the condition.",
      "The tenant insures the kiln and the stock; the landlord insures the walls against fire.",
      "Proof of insurance is shown within four weeks and again after each change of the insurer.",
    ],
    [
      "5 Repairs", "",
      "The tenant repairs windows, doors and locks. The landlord repairs the roof and the wheel.",
      "Work that makes noise is announced three days before and rests on Sundays.",
      "The wheel is greased twice a year by a craftsman whom both sides trust.",
      "Trees along the yard are cut back each winter at the cost of the landlord.",
      "Snow is cleared from the drive by the tenant, who may have somebody else do it.",
    ],
  ]);
}
