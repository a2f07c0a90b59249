// Light highlighting: comments, strings, numbers and the common keywords of the common languages; no grammar.

export type TokenKind = "plain" | "comment" | "string" | "number" | "keyword";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

const kKeywords = new Set(
  (
    "abstract and as async await auto bool boolean break case catch char class const constexpr continue def default " +
    "del delete do double elif else end enum except export extends false final finally float fn for from func " +
    "function go if impl implements import in include int interface is lambda let long match mod module mut " +
    "namespace new nil None not null or override package pass private protected pub public raise return self short " +
    "signed sizeof static string struct super switch template this throw throws trait true True False try type " +
    "typedef typename undefined union unless unsigned until use using var virtual void volatile when where while " +
    "with yield select insert update create table values join on group by order limit into set echo fi done then"
  ).split(" "),
);

const kHashComments =
  /^(py|python|sh|bash|shell|zsh|yaml|yml|toml|ruby|rb|perl|r|make|makefile|dockerfile|ini|conf|console)$/;
const kDashComments = /^(sql|lua|haskell|hs|ada)$/;
const kNoHighlight = /^(|text|txt|plain|plaintext|output|markdown|md|diff|csv)$/;
const kLengthMost = 20000;

function rules(language: string): RegExp {
  const comment = kHashComments.test(language)
    ? "#[^\\n]*"
    : kDashComments.test(language)
      ? "--[^\\n]*"
      : "\\/\\/[^\\n]*";
  return new RegExp(
    [
      `(\\/\\*[^]*?(?:\\*\\/|$)|${comment})`,
      "(\"(?:[^\"\\\\\\n]|\\\\.)*\"?|'(?:[^'\\\\\\n]|\\\\.)*'?|`(?:[^`\\\\]|\\\\.)*`?)",
      "(\\b(?:0x[\\da-fA-F]+|\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\b)",
      "([A-Za-z_]\\w*)",
    ].join("|"),
    "g",
  );
}

/** The pieces of a program, in order; joined they are the source. */
export function highlight(source: string, language: string): Token[] {
  if (kNoHighlight.test(language) || source.length > kLengthMost)
    return [{ kind: "plain", text: source }];
  const tokens: Token[] = [];
  let at = 0;
  const plain = (end: number) => {
    if (end > at) tokens.push({ kind: "plain", text: source.slice(at, end) });
  };
  for (const match of source.matchAll(rules(language))) {
    const [text, comment, string, digits, name] = match;
    const keyword =
      name !== undefined &&
      (kKeywords.has(name) || (kDashComments.test(language) && kKeywords.has(name.toLowerCase())));
    const kind: TokenKind | undefined =
      comment !== undefined
        ? "comment"
        : string !== undefined
          ? "string"
          : digits !== undefined
            ? "number"
            : keyword
              ? "keyword"
              : undefined;
    if (kind === undefined) continue;
    plain(match.index);
    tokens.push({ kind, text });
    at = match.index + text.length;
  }
  plain(source.length);
  return tokens;
}
