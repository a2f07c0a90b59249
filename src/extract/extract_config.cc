#include "config/fields.h"
#include "extract/extractor.h"

namespace tessera {

void ExtractConfig::Describe(Fields<ExtractConfig>& f) {
  f.Optional("file_bytes_max", &ExtractConfig::file_bytes_max, "Largest file that is read.");
  f.Optional("text_bytes_max", &ExtractConfig::text_bytes_max,
             "Most text out of one file, all its documents together.");
  f.Optional("block_bytes_max", &ExtractConfig::block_bytes_max,
             "Longest block of text; longer paragraphs arrive in pieces.", 1_KiB, 256_KiB);
  f.Optional("tree_bytes_max", &ExtractConfig::tree_bytes_max,
             "Largest file of the formats that are held whole (HTML, mail, one JSON value), and "
             "most XML out "
             "of an Office file.");
  f.Optional("archive_bytes_max", &ExtractConfig::archive_bytes_max,
             "Most bytes unpacked from one archive, all members and levels together.");
  f.Optional("archive_ratio_max", &ExtractConfig::archive_ratio_max,
             "Unpacked to packed bytes of an archive above 16 MiB; more is taken for a bomb.", 1u,
             100'000u);
  f.Optional("archive_entries_max", &ExtractConfig::archive_entries_max,
             "Most files in one archive, all levels together.", 1u, 10'000'000u);
  f.Optional("archive_depth_max", &ExtractConfig::archive_depth_max,
             "Archives and mails within archives.", 1u, 16u);
  f.Optional("ocr_pages_max", &ExtractConfig::ocr_pages_max,
             "Most pages of a scan that are read by tesseract; 0: none.");
  f.Optional("ocr_languages", &ExtractConfig::ocr_languages,
             "Languages of tesseract as in eng+deu; empty: those installed, at most six.");
  f.Optional("stall_max", &ExtractConfig::stall_max,
             "Longest time without a sign of progress on a file.", std::chrono::seconds(1),
             std::chrono::hours(24));
  f.Optional("cpu_max", &ExtractConfig::cpu_max, "Most processor time of one file.",
             std::chrono::seconds(1), std::chrono::hours(24));
  f.Optional("memory_bytes_max", &ExtractConfig::memory_bytes_max,
             "Most memory of one file's reader.", 64_MiB, 1024_GiB);
  f.Optional("temp_dir", &ExtractConfig::temp_dir,
             "Folder for what must be unpacked; empty: the system's.");
}

}  // namespace tessera
