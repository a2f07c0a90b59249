// Mail (RFC 5322, MIME) by gmime: the message is one document, every attachment another.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmime/gmime.h>

#include "extract/ascii.h"
#include "extract/readers.h"
#include "extract/spool.h"

namespace tessera {
namespace {

constexpr int kPartsMax = 1000;
constexpr int kPartDepthMax = 20;

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

std::string Text(const char* text) { return text != nullptr ? text : ""; }

std::string Addresses(InternetAddressList* list) {
  if (list == nullptr) return {};
  char* text = internet_address_list_to_string(list, nullptr, FALSE);
  std::string out = Text(text);
  g_free(text);
  return out;
}

/// A part's content with its transfer encoding undone, at most `max` bytes.
std::string Content(GMimePart* part, std::size_t max, bool& cut) {
  GMimeDataWrapper* wrapper = g_mime_part_get_content(part);
  if (wrapper == nullptr) return {};
  const Owned<GMimeStream> memory(g_mime_stream_mem_new());
  g_mime_data_wrapper_write_to_stream(wrapper, memory.get());
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory.get()));
  cut = bytes->len > max;
  return std::string(reinterpret_cast<const char*>(bytes->data),
                     std::min<std::size_t>(bytes->len, max));
}

bool IsType(GMimeObject* part, const char* type, const char* subtype) {
  GMimeContentType* content = g_mime_object_get_content_type(part);
  return content != nullptr && g_mime_content_type_is_type(content, type, subtype);
}

/// What a message is made of, sorted.
struct Parts {
  GMimePart* plain = nullptr;
  GMimePart* html = nullptr;
  std::vector<GMimePart*> attachments;
  std::vector<GMimeMessage*> messages;
  int count = 0;
};

void Sort(GMimeObject* object, int depth, Parts& parts) {
  if (object == nullptr || depth > kPartDepthMax || ++parts.count > kPartsMax) return;
  if (GMIME_IS_MULTIPART(object)) {
    GMimeMultipart* multipart = GMIME_MULTIPART(object);
    for (int i = 0; i < g_mime_multipart_get_count(multipart); ++i) {
      Sort(g_mime_multipart_get_part(multipart, i), depth + 1, parts);
    }
  } else if (GMIME_IS_MESSAGE_PART(object)) {
    if (GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object))) {
      parts.messages.push_back(message);
    }
  } else if (GMIME_IS_PART(object)) {
    GMimePart* part = GMIME_PART(object);
    const bool attached = g_mime_part_is_attachment(part);
    if (!attached && parts.plain == nullptr && IsType(object, "text", "plain")) {
      parts.plain = part;
    } else if (!attached && parts.html == nullptr && IsType(object, "text", "html")) {
      parts.html = part;
    } else if (g_mime_part_get_filename(part) != nullptr || IsType(object, "text", "*")) {
      parts.attachments.push_back(part);  // pictures without a name are decoration
    }
  }
}

std::string PartText(GMimePart* part, std::size_t max, DocumentInfo& info) {
  bool cut = false;
  std::string bytes = Content(part, max, cut);
  if (cut) info.notes.emplace_back("a part was cut at tree_bytes_max");
  const char* charset = g_mime_object_get_content_type_parameter(GMIME_OBJECT(part), "charset");
  if (IsUtf8(bytes)) return bytes;
  return DecodeText(bytes, ToUpper(Text(charset)));
}

/// Subject as heading, then who and when, as one reads a mail.
ExtractFailure SendHeaders(const DocumentInfo& info, ReadJob& job) {
  Block subject;
  subject.kind = BlockKind::kHeading;
  subject.heading_level = 1;
  subject.text = info.title;
  if (ExtractFailure failure = job.out.Add(std::move(subject))) return failure;
  std::string lines;
  for (const char* key : {"from", "to", "cc", "date"}) {
    const auto found = info.metadata.find(key);
    if (found == info.metadata.end()) continue;
    std::string name = key;
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    StrAppend(&lines, lines.empty() ? "" : "; ", name, ": ", found->second);
  }
  Block block;
  block.kind = BlockKind::kTableRow;
  block.text = lines;
  return job.out.Add(std::move(block));
}

/// Paragraphs of a plain mail: quoted lines are quotes, the signature mark ends the text.
ExtractFailure SendPlain(std::string_view text, ReadJob& job) {
  Block block;
  ExtractFailure failure;
  const auto flush = [&] {
    if (!failure && !block.text.empty()) failure = job.out.Add(block, TextShape::kLines);
    block.text.clear();
  };
  while (!text.empty() && !failure) {
    const std::size_t end = text.find('\n');
    std::string_view line = TrimEnd(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const bool quoted = line.starts_with('>');
    while (!line.empty() && (line[0] == '>' || line[0] == ' ')) line.remove_prefix(1);
    const BlockKind kind = quoted ? BlockKind::kQuote : BlockKind::kParagraph;
    if (line.empty() || kind != block.kind || block.text.size() >= job.limits.block_bytes_max.count)
      flush();
    block.kind = kind;
    if (!line.empty()) StrAppend(&block.text, block.text.empty() ? "" : "\n", line);
  }
  flush();
  return failure;
}

void TakeInfo(GMimeMessage* message, DocumentInfo& info) {
  info.title = Text(g_mime_message_get_subject(message));
  const std::string from = Addresses(g_mime_message_get_from(message));
  info.author = from;
  info.metadata["from"] = from;
  info.metadata["to"] = Addresses(g_mime_message_get_to(message));
  info.metadata["cc"] = Addresses(g_mime_message_get_cc(message));
  if (GDateTime* date = g_mime_message_get_date(message)) {
    char* text = g_date_time_format(date, "%Y-%m-%d %H:%M:%S %z");
    info.metadata["date"] = Text(text);
    g_free(text);
  }
  std::erase_if(info.metadata, [](const auto& entry) { return entry.second.empty(); });
}

ExtractFailure SendBody(const Parts& parts, DocumentInfo& info, ReadJob& job) {
  if (ExtractFailure failure = SendHeaders(info, job)) return failure;
  if (parts.plain != nullptr) {
    const std::string text = PartText(parts.plain, job.limits.tree_bytes_max.count, info);
    if (!TrimSpaces(text).empty()) return SendPlain(text, job);
  }
  if (parts.html == nullptr) return std::nullopt;
  DocumentInfo page;  // its title is not the mail's
  return ReadHtmlText(PartText(parts.html, job.limits.tree_bytes_max.count, info), page, job);
}

ExtractFailure ReadMessage(GMimeMessage* message, DocumentInfo& info, ReadJob& job);

ExtractFailure ReadAttachment(GMimePart* part, const DocumentInfo& mail, int number, ReadJob& job) {
  std::string name = Text(g_mime_part_get_filename(part));
  if (name.empty()) name = StrCat("part-", number, ".txt");
  Spool spool(StrCat(mail.name, "/", CleanMemberName(name)), job);
  if (ExtractFailure failure = spool.Open()) return failure;
  bool cut = false;
  const std::string bytes = Content(part, SIZE_MAX, cut);
  if (ExtractFailure failure = spool.Write(bytes)) {
    DocumentInfo info;
    info.name = spool.name();
    job.out.End(info, failure);
    return std::nullopt;
  }
  spool.Read();
  return std::nullopt;
}

ExtractFailure ReadInner(const Parts& parts, const DocumentInfo& mail, ReadJob& job) {
  int number = 0;
  for (GMimePart* part : parts.attachments) {
    if (job.bomb) return std::nullopt;
    if (ExtractFailure failure = ReadAttachment(part, mail, ++number, job)) return failure;
  }
  if (job.depth + 1 >= job.limits.archive_depth_max + 1) return std::nullopt;
  for (GMimeMessage* message : parts.messages) {
    DocumentInfo info;
    info.name = StrCat(mail.name, "/message-", ++number, ".eml");
    info.media_type = "message/rfc822";
    ++job.depth;
    ExtractFailure failure = ReadMessage(message, info, job);
    --job.depth;
    if (failure) return failure;
  }
  return std::nullopt;
}

ExtractFailure ReadMessage(GMimeMessage* message, DocumentInfo& info, ReadJob& job) {
  TakeInfo(message, info);
  Parts parts;
  Sort(g_mime_message_get_mime_part(message), 0, parts);
  job.out.Start(info);
  ExtractFailure failure = SendBody(parts, info, job);
  if (parts.count > kPartsMax) info.notes.emplace_back("only the first 1000 parts were read");
  if (!failure && !job.out.has_text()) {
    failure = ExtractError{ExtractCode::kNoText, "is a mail without text"};
  }
  job.out.End(info, failure);
  return ReadInner(parts, info, job);
}

}  // namespace

ExtractFailure ReadMail(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  if (job.depth > job.limits.archive_depth_max) {
    return ExtractError{ExtractCode::kZipBomb, "is nested too deep: raise archive_depth_max"};
  }
  std::string bytes;
  if (ExtractFailure failure = file.ReadAll(job.limits.tree_bytes_max.count, bytes)) return failure;
  static const bool ready = (g_mime_init(), true);
  (void)ready;
  const Owned<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(bytes.data(), bytes.size()));
  const Owned<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  if (bytes.starts_with("From ")) g_mime_parser_set_format(parser.get(), GMIME_FORMAT_MBOX);
  const Owned<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
  if (message == nullptr) {
    return ExtractError{ExtractCode::kCorrupt,
                        "is not a readable mail message: save it again as .eml"};
  }
  return ReadMessage(message.get(), info, job);
}

}  // namespace tessera
