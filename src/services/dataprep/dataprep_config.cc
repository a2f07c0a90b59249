#include "services/dataprep/dataprep_config.h"

namespace tessera {

void DataprepConfig::Describe(Fields<DataprepConfig>& f) {
  f.Optional("chunk_tokens_max", &DataprepConfig::chunk_tokens_max,
             "Longest passage in tokens of the embedder; 0: four fifths of what it reads.", 0u,
             4000u);
  f.Optional("chunk_overlap_tokens", &DataprepConfig::chunk_overlap_tokens,
             "Tokens, in whole sentences, that a passage repeats of the one before.", 0u, 1000u);
  f.Optional("documents_in_flight", &DataprepConfig::documents_in_flight,
             "Documents of a job that are worked on at once.", 1u, 64u);
  f.Optional("jobs_in_flight", &DataprepConfig::jobs_in_flight, "Jobs that run at once.", 1u, 16u);
  f.Optional("jobs_queued_max", &DataprepConfig::jobs_queued_max,
             "Jobs that may wait; more are refused.", 1u, 100000u);
  f.Optional("jobs_kept", &DataprepConfig::jobs_kept, "Ended jobs that are remembered.", 1u,
             100000u);
  f.Optional("sources_max", &DataprepConfig::sources_max, "Files, links and texts of one job.", 1u,
             1000000u);
  f.Optional("embed_batch", &DataprepConfig::embed_batch, "Passages sent to the embedder at once.",
             1u, 1024u);
  f.Optional("embed_calls", &DataprepConfig::embed_calls, "Calls to the embedder at once.", 1u,
             32u);
  f.Optional("disk_reserve", &DataprepConfig::disk_reserve,
             "Free space that ingest leaves on the disk: files that would need it are refused.");
  f.Optional("read_text_max", &DataprepConfig::read_text_max,
             "Most text of a file that is read for one request instead of ingested (docsum).");
  f.Optional("watch_interval", &DataprepConfig::watch_interval,
             "Shortest time between two progress events of a job.");
  f.Optional("url_allow_private", &DataprepConfig::url_allow_private,
             "Fetch links to loopback, private and link-local addresses too. Only for trusted "
             "users: it lets them read what the server can reach.");
  f.Optional("url_trusted_hosts", &DataprepConfig::url_trusted_hosts,
             "Hosts (wiki, 10.0.0.7:8000) whose links are fetched although their addresses are "
             "not public.");
  f.Optional("url_bytes_max", &DataprepConfig::url_bytes_max, "Largest page or file fetched.");
  f.Optional("url_timeout", &DataprepConfig::url_timeout, "Longest time that one fetch may take.");
}

}  // namespace tessera
