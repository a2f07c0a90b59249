#include "app/doctor_report.h"

#include <algorithm>

#include "base/json_writer.h"

namespace tessera {

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood:
      return "good";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kBad:
      return "bad";
  }
  return "bad";
}

Verdict Report::verdict() const {
  Verdict worst = Verdict::kGood;
  for (const Finding& finding : findings_) worst = std::max(worst, finding.verdict);
  return worst;
}

std::string Report::ToJson() const {
  JsonWriter out;
  out.BeginObject().Field("ok", verdict() != Verdict::kBad).Key("findings").BeginArray();
  for (const Finding& finding : findings_) {
    out.BeginObject()
        .Field("check", finding.check)
        .Field("verdict", VerdictName(finding.verdict))
        .Field("seen", finding.seen)
        .Field("remedy", finding.remedy)
        .EndObject();
  }
  out.EndArray().EndObject();
  return out.Take();
}

}  // namespace tessera
