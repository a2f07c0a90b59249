#include "app/platform_health.h"

#include <utility>

#include <sys/statvfs.h>

#include "base/str.h"

namespace tessera {
namespace {

using State = HealthCheck::State;

constexpr std::uint64_t kFreeMin = std::uint64_t{256} << 20;  // bytes: less, and uploads may fail

HealthCheck CheckWay(const ServiceWay& way) {
  HealthCheck check{.name = way.service};
  if (way.working == way.instances && way.instances > 0) return check;
  check.state = way.working == 0 ? State::kFailed : State::kWarning;
  check.reason = way.instances == 0
                     ? "no instance is there"
                     : StrCat(way.working, " of ", way.instances, " instances take calls");
  return check;
}

HealthCheck CheckDisk(const std::string& data) {
  HealthCheck check{.name = "disk"};
  struct statvfs disk = {};
  if (::statvfs(data.c_str(), &disk) != 0) {
    check.state = State::kFailed;
    check.reason = "the data folder cannot be reached";
  } else if (std::uint64_t{disk.f_bavail} * disk.f_frsize < kFreeMin) {
    check.state = State::kWarning;
    check.reason = "nearly full: uploads are refused; make room";
  }
  return check;
}

}  // namespace

PlatformHealth::PlatformHealth(const LocalGroup& group, std::string data)
    : group_(group), data_(std::move(data)) {}

HealthReport PlatformHealth::Look() const {
  HealthReport report;
  for (const ServiceWay& way : group_.Ways()) report.checks.push_back(CheckWay(way));
  report.checks.push_back(CheckDisk(data_));
  if (stopping_) report.checks.push_back({"platform", State::kFailed, "it is stopping"});
  return report;
}

}  // namespace tessera
