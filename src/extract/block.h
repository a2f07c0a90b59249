#pragma once
// What extraction makes of a file: documents, each a stream of structured blocks of clean text.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// What a block was in its document.
enum class BlockKind : std::uint8_t {
  kHeading,  ///< `heading_level` says which
  kParagraph,
  kListItem,  ///< one item; `list_depth` 1 is the outermost list
  kTableRow,  ///< "header: value; header: value" where a header is known, else "a | b | c"
  kCode,      ///< line breaks and indentation kept
  kQuote,
};

/// One piece of a document in reading order. `text` is UTF-8 in NFC without control characters
/// other than '\n' (and '\t' in code), never empty and at most ExtractConfig::block_bytes_max long:
/// a longer piece arrives as several blocks, all but the first with `continues`.
///
/// A '\n' within a paragraph is a line end of the source (PDF, plain text, mail): undoing
/// hyphenation and joining lines is the cleaner's work, as is dropping running headers, for which
/// `page_edge` is the hint. Sources that wrap text freely (HTML, Markdown, DOCX) have none.
struct Block {
  BlockKind kind = BlockKind::kParagraph;
  std::uint8_t heading_level = 0;  ///< 1 (highest) to 6 for headings, else 0
  std::uint8_t list_depth = 0;     ///< 1 to 15 for list items, else 0
  bool continues = false;          ///< the same piece as the block before, cut for its length
  bool page_edge = false;          ///< first or last text of its page: perhaps a header or footer
  std::uint32_t page = 0;          ///< from 1: page, slide or sheet; 0 where there are none
  std::string text;
};

/// Why a file (or one document of an archive) could not be read, or not wholly.
enum class ExtractCode : std::uint8_t {
  kEncrypted,    ///< needs a password
  kTruncated,    ///< ends before its format says so
  kUnsupported,  ///< a format that is not read (images, video, .doc, unknown binaries)
  kTooLarge,     ///< above a limit of the configuration
  kZipBomb,      ///< an archive whose content grows out of proportion, or nests too deep
  kNoText,       ///< empty, or a scan without a text layer and no OCR installed
  kWrongType,    ///< the name promises a format that the content is not
  kCorrupt,      ///< the format's rules are broken, or its reader crashed on it
  kTimeout,      ///< took longer than a limit of the configuration
  kUnreadable,   ///< the operating system refused: missing, no permission, not a regular file
  kInternal,     ///< a fault of the extractor or the machine, not of the file
};

/// The stable short name that APIs show: "encrypted", "zip_bomb", …
std::string_view ToString(ExtractCode code);

/// `message` says what is wrong and what to do, in lower case, for the file's owner.
struct ExtractError {
  ExtractCode code = ExtractCode::kCorrupt;
  std::string message;
};

/// What is known of a document besides its text.
struct DocumentInfo {
  std::string name;   ///< the file's name; "archive.zip/folder/a.pdf" within an archive or mail
  std::string title;  ///< from the document itself; empty where it has none
  std::string author;
  std::string media_type;                       ///< by content: "application/pdf", "text/html", …
  std::string language;                         ///< BCP 47 where the document says so, else empty
  std::uint32_t pages = 0;                      ///< pages, slides or sheets; 0 where there are none
  std::map<std::string, std::string> metadata;  ///< few and short: "date", "subject", "encoding", …
  std::vector<std::string> notes;  ///< worth telling: "named .txt but is a PDF", "3 pages by OCR"
};

/// One step of an extraction. Documents follow each other, they do not nest: kStart, blocks, kEnd,
/// kStart, …
struct ExtractEvent {
  enum class Kind : std::uint8_t { kStart, kBlock, kEnd };
  Kind kind = Kind::kBlock;
  Block block;                        ///< of kBlock
  DocumentInfo info;                  ///< of kStart: as far as known; of kEnd: complete
  std::optional<ExtractError> error;  ///< of kEnd: blocks that came before it are still good text
};

}  // namespace tessera
