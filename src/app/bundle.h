#pragma once
// What a support archive holds.

#include <string>
#include <vector>

#include "app/doctor.h"

namespace tessera {

struct BundleFile {
  std::string name;
  std::string text;
};

/// Everything that helps to understand a fault from afar: findings, configuration, machine, sizes,
/// and of a running server its state and figures. No documents, no questions, no answers; secrets
/// are taken out. Blocks like Examine.
std::vector<BundleFile> CollectBundle(const Ctx& ctx, const Patient& patient);

}  // namespace tessera
