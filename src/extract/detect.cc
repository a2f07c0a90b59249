#include "extract/detect.h"

#include <algorithm>
#include <array>
#include <optional>

#include "extract/ascii.h"
#include "extract/text.h"
#include "extract/zip_listing.h"

namespace tessera {
namespace {

constexpr std::size_t kSampleBytes = 64u << 10;

struct Kind {
  FileFormat format;
  std::string_view media_type;
  std::string_view title;  // as in "named .txt but is …"
};

constexpr Kind kPdf{FileFormat::kPdf, "application/pdf", "a PDF"};
constexpr Kind kDocx{FileFormat::kDocx,
                     "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                     "a Word document"};
constexpr Kind kPptx{FileFormat::kPptx,
                     "application/vnd.openxmlformats-officedocument.presentationml.presentation",
                     "a PowerPoint presentation"};
constexpr Kind kXlsx{FileFormat::kXlsx,
                     "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                     "an Excel workbook"};
constexpr Kind kZip{FileFormat::kArchive, "application/zip", "a ZIP archive"};
constexpr Kind kTar{FileFormat::kArchive, "application/x-tar", "a tar archive"};
constexpr Kind kGzip{FileFormat::kArchive, "application/gzip", "compressed with gzip"};
constexpr Kind kXz{FileFormat::kArchive, "application/x-xz", "compressed with xz"};
constexpr Kind kZstd{FileFormat::kArchive, "application/zstd", "compressed with zstd"};
constexpr Kind kBzip2{FileFormat::kArchive, "application/x-bzip2", "compressed with bzip2"};
constexpr Kind kHtml{FileFormat::kHtml, "text/html", "an HTML page"};
constexpr Kind kXml{FileFormat::kXml, "application/xml", "XML"};
constexpr Kind kMail{FileFormat::kMail, "message/rfc822", "a mail message"};
constexpr Kind kText{FileFormat::kText, "text/plain", "plain text"};
constexpr Kind kMarkdown{FileFormat::kMarkdown, "text/markdown", "Markdown"};
constexpr Kind kCsv{FileFormat::kCsv, "text/csv", "CSV"};
constexpr Kind kTsv{FileFormat::kTsv, "text/tab-separated-values", "TSV"};
constexpr Kind kJson{FileFormat::kJson, "application/json", "JSON"};
constexpr Kind kJsonLines{FileFormat::kJson, "application/x-ndjson", "JSON Lines"};
constexpr Kind kCode{FileFormat::kCode, "text/plain", "source code"};

struct Extension {
  std::string_view name;
  const Kind* kind;
};

constexpr Extension kExtensions[] = {
    {"pdf", &kPdf},     {"docx", &kDocx},         {"docm", &kDocx},
    {"pptx", &kPptx},   {"pptm", &kPptx},         {"xlsx", &kXlsx},
    {"xlsm", &kXlsx},   {"zip", &kZip},           {"tar", &kTar},
    {"gz", &kGzip},     {"tgz", &kGzip},          {"xz", &kXz},
    {"txz", &kXz},      {"zst", &kZstd},          {"bz2", &kBzip2},
    {"tbz2", &kBzip2},  {"html", &kHtml},         {"htm", &kHtml},
    {"xhtml", &kHtml},  {"xml", &kXml},           {"eml", &kMail},
    {"txt", &kText},    {"text", &kText},         {"log", &kText},
    {"rst", &kText},    {"adoc", &kText},         {"org", &kText},
    {"md", &kMarkdown}, {"markdown", &kMarkdown}, {"mdx", &kMarkdown},
    {"csv", &kCsv},     {"tsv", &kTsv},           {"tab", &kTsv},
    {"json", &kJson},   {"jsonl", &kJsonLines},   {"ndjson", &kJsonLines},
    {"geojson", &kJson}};

constexpr std::string_view kCodeExtensions[] = {
    "c",    "h",    "cc",    "cpp",  "cxx",  "hpp", "hh",   "cs",    "java",   "kt",      "scala",
    "go",   "rs",   "swift", "m",    "mm",   "py",  "pyi",  "rb",    "pl",     "pm",      "php",
    "js",   "mjs",  "cjs",   "ts",   "tsx",  "jsx", "vue",  "css",   "scss",   "less",    "sh",
    "bash", "zsh",  "fish",  "ps1",  "bat",  "lua", "r",    "jl",    "hs",     "ml",      "mli",
    "ex",   "exs",  "erl",   "clj",  "lisp", "el",  "sql",  "proto", "thrift", "graphql", "cmake",
    "mk",   "yaml", "yml",   "toml", "ini",  "cfg", "conf", "tf",    "gradle", "dart",    "zig",
    "nim",  "v",    "vhd",   "asm",  "s",    "awk", "tex",  "bib"};

const Kind* KindOfExtension(std::string_view extension) {
  for (const Extension& entry : kExtensions) {
    if (entry.name == extension) return entry.kind;
  }
  const auto* end = std::end(kCodeExtensions);
  return std::find(std::begin(kCodeExtensions), end, extension) != end ? &kCode : nullptr;
}

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view title;  // as in "is …"
  std::string_view advice;
};

constexpr std::string_view kNoMedia =
    "only its text can be read: give a transcript or a description";
constexpr Magic kUnsupported[] = {
    {0, "\x89PNG", "a PNG image", "put it into a PDF to have it read by OCR"},
    {0, "\xFF\xD8\xFF", "a JPEG image", "put it into a PDF to have it read by OCR"},
    {0, "GIF8", "a GIF image", "put it into a PDF to have it read by OCR"},
    {0, {"II*\0", 4}, "a TIFF image", "put it into a PDF to have it read by OCR"},
    {0, {"MM\0*", 4}, "a TIFF image", "put it into a PDF to have it read by OCR"},
    {8, "WEBP", "a WebP image", "put it into a PDF to have it read by OCR"},
    {8, "WAVE", "a sound file", kNoMedia},
    {8, "AVI ", "a video", kNoMedia},
    {4, "ftyp", "a video, sound or HEIC file", kNoMedia},
    {0, "ID3", "a sound file", kNoMedia},
    {0, "OggS", "a sound file", kNoMedia},
    {0, "fLaC", "a sound file", kNoMedia},
    {0, "\x1A\x45\xDF\xA3", "a video", kNoMedia},
    {0,
     "\x7F"
     "ELF",
     "a program", "give its documentation instead"},
    {0, {"MZ\x90\0", 4}, "a Windows program", "give its documentation instead"},
    {0, "{\\rtf", "an RTF document", "save it as .docx or PDF"},
    {0, "Rar!", "a RAR archive", "pack it as ZIP"},
    {0, "7z\xBC\xAF\x27\x1C", "a 7-Zip archive", "pack it as ZIP"},
    {0, "SQLite format 3", "a SQLite database", "export its tables as CSV"},
    {0, "%!PS", "PostScript", "convert it to PDF"},
    {0, {"wOFF", 4}, "a font", kNoMedia},
    {0, {"\0\1\0\0\0", 5}, "a font", kNoMedia},
};

bool HasAt(std::string_view head, std::size_t offset, std::string_view bytes) {
  return head.size() >= offset + bytes.size() && head.substr(offset, bytes.size()) == bytes;
}

ExtractError Unsupported(std::string_view what, std::string_view advice) {
  return {ExtractCode::kUnsupported, StrCat("is ", what, ", which is not read: ", advice)};
}

/// Old Office files and encrypted new ones are both OLE containers; the latter hold a stream of a
/// known name (in UTF-16).
ExtractError OleError(const InputFile& file) {
  std::string marker;
  for (const char c : std::string_view("EncryptedPackage")) {
    marker.push_back(c);
    marker.push_back('\0');
  }
  if (Contains(file.Head(4u << 20), marker) || Contains(file.Tail(1u << 20), marker)) {
    return {ExtractCode::kEncrypted,
            "is an Office document with a password: save it without one and add it again"};
  }
  return Unsupported("an old Office document (.doc, .xls, .ppt, .msg)",
                     "save it as .docx, .xlsx, .pptx, .eml or PDF");
}

struct Found {
  const Kind* kind = nullptr;
  ExtractFailure failure;
};

Found KindOfZip(const InputFile& file) {
  const ZipListing listing = ListZip(file);
  if (listing.failure) return {nullptr, listing.failure};
  if (listing.Has("word/document.xml")) return {&kDocx, {}};
  if (listing.Has("ppt/presentation.xml")) return {&kPptx, {}};
  if (listing.Has("xl/workbook.xml")) return {&kXlsx, {}};
  return {&kZip, {}};
}

/// A PDF may have up to 1 KiB before its mark; a text may speak of the mark.
bool LooksPdf(const InputFile& file, std::string_view head) {
  if (head.starts_with("%PDF-")) return true;
  if (!Contains(head.substr(0, 1024), "%PDF-")) return false;
  return file.extension() == "pdf" || Contains(file.Tail(1024), "\n%%EOF");
}

Found KindOfMagic(const InputFile& file, std::string_view head) {
  // Before the PDF, which may have something before it: a ZIP may hold one unpacked.
  if (HasAt(head, 0, "PK\3\4") || HasAt(head, 0, "PK\5\6")) return KindOfZip(file);
  if (HasAt(head, 0, "\x1F\x8B")) return {&kGzip, {}};
  if (HasAt(head, 257, "ustar")) return {&kTar, {}};
  if (LooksPdf(file, head)) return {&kPdf, {}};
  if (HasAt(head, 0,
            std::string_view("\xFD"
                             "7zXZ\0",
                             6)))
    return {&kXz, {}};
  if (HasAt(head, 0, "\x28\xB5\x2F\xFD")) return {&kZstd, {}};
  if (HasAt(head, 0, "BZh") && HasAt(head, 4, "1AY&SY")) return {&kBzip2, {}};
  if (HasAt(head, 0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return {nullptr, OleError(file)};
  for (const Magic& magic : kUnsupported) {
    if (HasAt(head, magic.offset, magic.bytes)) {
      return {nullptr, Unsupported(magic.title, magic.advice)};
    }
  }
  return {};
}

/// Past white space, comments, the XML declaration and a document type that is not HTML's.
std::string_view SkipProlog(std::string_view text) {
  while (true) {
    text = TrimStart(text);
    std::string_view end;
    if (StartsWith(text, "<!--")) {
      end = "-->";
    } else if (StartsWith(text, "<?")) {
      end = "?>";
    } else {
      return text;
    }
    const std::size_t found = text.find(end);
    if (found == std::string_view::npos) return {};
    text.remove_prefix(found + end.size());
  }
}

bool LooksHtml(std::string_view text) {
  const std::string_view body = SkipProlog(text);
  for (const std::string_view start : {"<!doctype html", "<html", "<head", "<body", "<title"}) {
    if (StartsWithIgnoreCase(body, start)) return true;
  }
  return false;
}

/// At least two of the header fields that every mail has, before the first empty line, and nothing
/// else than header lines.
bool LooksMail(std::string_view text) {
  static constexpr std::string_view kFields[] = {
      "from:",     "to:",           "subject:",    "date:",
      "received:", "mime-version:", "message-id:", "return-path:"};
  int known = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = TrimEnd(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.substr(0, colon).find(' ') != line.npos)
      return false;
    for (const std::string_view field : kFields) known += StartsWithIgnoreCase(line, field);
  }
  return known >= 2;
}

bool LooksJson(std::string_view text) {
  text = TrimSpaces(text);
  if (text.size() < 2) return false;
  if (text[0] == '{') {
    text = TrimStart(text.substr(1));
    return !text.empty() && (text[0] == '"' || text[0] == '}');
  }
  if (text[0] != '[') return false;
  text = TrimStart(text.substr(1));
  return !text.empty() && (text[0] == '{' || text[0] == '[' || text[0] == '"' || text[0] == ']');
}

bool IsBinaryKind(const Kind& kind) {
  return kind.format == FileFormat::kPdf || kind.format == FileFormat::kDocx ||
         kind.format == FileFormat::kPptx || kind.format == FileFormat::kXlsx ||
         kind.format == FileFormat::kArchive;
}

ExtractError NotWhatItsNameSays(const Kind& named, std::string_view extension, bool text) {
  return {ExtractCode::kWrongType,
          StrCat("is named .", extension, " but is not ",
                 Contains(named.title, "compressed") ? "a compressed file" : named.title,
                 text ? ": rename it to .txt if its text is what you want"
                      : ": it is damaged or was named wrongly; get it again from its source")};
}

/// A text without magic: by its looks where they are beyond doubt, else by its name.
const Kind& KindOfText(std::string_view text, const Kind* named) {
  const FileFormat hint = named != nullptr ? named->format : FileFormat::kText;
  if (hint == FileFormat::kCode || hint == FileFormat::kMail || hint == FileFormat::kHtml) {
    return *named;
  }
  if (LooksHtml(text)) return kHtml;  // a server's error page is often saved under another name
  if (hint == FileFormat::kMarkdown || hint == FileFormat::kCsv || hint == FileFormat::kTsv) {
    return *named;
  }
  if (LooksMail(text)) return kMail;
  if (hint == FileFormat::kJson) return *named;
  if (StartsWith(TrimStart(text), "<?xml")) return kXml;
  if (hint == FileFormat::kXml) return *named;
  if (named == nullptr && LooksJson(text)) return kJson;
  return kText;
}

}  // namespace

Detection DetectFormat(const InputFile& file) {
  Detection result;
  const std::string extension = file.extension();
  const Kind* named = KindOfExtension(extension);
  const std::string head = file.Head(kSampleBytes);
  if (head.empty()) {
    result.failure = ExtractError{ExtractCode::kNoText, "is empty: there is nothing to read"};
    return result;
  }
  const Found found = KindOfMagic(file, head);
  const Kind* kind = found.kind;
  if (found.failure) {
    result.failure = found.failure;
    return result;
  }
  if (kind == nullptr) {
    const std::string encoding = GuessEncoding(head, head.size() == file.size());
    const bool binary = encoding.empty();
    if (binary && named == nullptr) {
      result.failure =
          ExtractError{ExtractCode::kUnsupported,
                       "is binary data of an unknown format: convert it to PDF or text"};
      return result;
    }
    const Kind* text = binary ? nullptr : &KindOfText(DecodeText(head, encoding), named);
    const bool sure =
        text != nullptr && (text->format == FileFormat::kHtml || text->format == FileFormat::kMail);
    if (binary || (IsBinaryKind(*(named ? named : &kText)) && !sure)) {
      result.failure = NotWhatItsNameSays(*named, extension, !binary);
      return result;
    }
    kind = text;
  }
  result.format = kind->format;
  result.media_type = kind->media_type;
  const bool agrees = named == nullptr || named->format == kind->format;
  if (!agrees) result.note = StrCat("named .", extension, " but is ", kind->title);
  return result;
}

}  // namespace tessera
