import type { Citation } from "../api/types";

// A citation mark travels through the Markdown parser as one unit between two private-use characters, so that no
// other syntax can tear it apart: OPEN number ":" index CLOSE. Index -1: not known yet, the answer is still coming.
const kOpen = "\uE000";
const kClose = "\uE001";
const kMark = /\[(\d{1,3})\]/g;

export const kPlaced = /^\uE000(\d+):(-?\d+)\uE001/;
const kPlacedAnywhere = /\uE000(\d+):-?\d+\uE001/g;

/** Undoes placing, for text that must stay as it was written (code). */
export function unplace(text: string): string {
  return text.replace(kPlacedAnywhere, "[$1]");
}

/** Answer without its citation marks' machinery, as a person would paste it. */
export function plainAnswer(text: string): string {
  return text.replaceAll(kOpen, " ").replaceAll(kClose, " ");
}

/**
 * Marks every [n] of an answer that has a citation. Of several citations with one number the one whose offset is
 * nearest is taken; offsets count code points. `pending` marks all [n], for answers whose citations are still to come.
 */
export function placeCitations(
  text: string,
  citations: readonly Citation[],
  pending = false,
): string {
  const clean = plainAnswer(text);
  let units = 0;
  let points = 0;
  let result = "";
  for (const match of clean.matchAll(kMark)) {
    const between = clean.slice(units, match.index);
    points += Array.from(between).length;
    result += between;
    const number = Number(match[1]);
    const index = nearest(citations, number, points);
    const exact = index >= 0 && citations[index]?.startIndex === points;
    const next = clean[match.index + match[0].length] ?? "";
    // "[1](…)" and "[1]: …" are links, unless the server says that a citation stands right here.
    const isLink = !exact && (next === "(" || next === ":");
    result += (index >= 0 || pending) && !isLink ? `${kOpen}${number}:${index}${kClose}` : match[0];
    units = match.index + match[0].length;
    points += match[0].length;
  }
  return result + clean.slice(units);
}

function nearest(citations: readonly Citation[], number: number, at: number): number {
  let best = -1;
  let bestDistance = Infinity;
  citations.forEach((citation, index) => {
    const distance = Math.abs(citation.startIndex - at);
    if (citation.number === number && distance < bestDistance) {
      best = index;
      bestDistance = distance;
    }
  });
  return best;
}

/** One entry a number, in order: what the list of sources under an answer shows. */
export function sourcesOf(citations: readonly Citation[]): Citation[] {
  const first = new Map<number, Citation>();
  for (const citation of citations)
    if (!first.has(citation.number)) first.set(citation.number, citation);
  return [...first.values()].sort((a, b) => a.number - b.number);
}
