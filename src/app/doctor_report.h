#pragma once
// What an examination found.

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

enum class Verdict {
  kGood,
  kWarning,  ///< works, but somebody should look
  kBad,      ///< does not work, or soon will not
};

struct Finding {
  std::string check;  ///< what was looked at: "disk"
  Verdict verdict = Verdict::kGood;
  std::string seen;
  std::string remedy;  ///< empty when there is nothing to mend
};

/// Findings in the order of the checks. Not thread-safe.
class Report {
 public:
  void Good(std::string_view check, std::string seen) {
    findings_.push_back({std::string(check), Verdict::kGood, std::move(seen), ""});
  }
  void Warning(std::string_view check, std::string seen, std::string remedy) {
    findings_.push_back(
        {std::string(check), Verdict::kWarning, std::move(seen), std::move(remedy)});
  }
  void Bad(std::string_view check, std::string seen, std::string remedy) {
    findings_.push_back({std::string(check), Verdict::kBad, std::move(seen), std::move(remedy)});
  }

  const std::vector<Finding>& findings() const { return findings_; }
  /// The worst of them.
  Verdict verdict() const;
  /// {"ok":…,"findings":[{"check","verdict","seen","remedy"}]}
  std::string ToJson() const;

 private:
  std::vector<Finding> findings_;
};

/// "good", "warning", "bad".
std::string_view VerdictName(Verdict verdict);

}  // namespace tessera
