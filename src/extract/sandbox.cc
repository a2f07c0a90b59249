#include "extract/sandbox.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "extract/fd.h"

namespace tessera {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
#else
#error "the sandbox knows x86-64 and arm64"
#endif

bool Limit(__rlimit_resource resource, std::uint64_t value, std::uint64_t margin = 0) {
  rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0) return false;
  if (limit.rlim_max != RLIM_INFINITY && value + margin > limit.rlim_max) {
    value = limit.rlim_max;
    margin = 0;
  }
  limit.rlim_cur = value;
  limit.rlim_max = value + margin;
  return ::setrlimit(resource, &limit) == 0;
}

[[maybe_unused]] std::uint64_t AddressSpaceNow() {
  std::uint64_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    unsigned long value = 0;
    if (std::fscanf(file, "%lu", &value) == 1) pages = value;
    std::fclose(file);
  }
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Over the soft limit of processor time the process gets a signal that tells why it ended.
bool SetLimits(const SandboxRules& rules) {
  bool set = Limit(RLIMIT_CORE, 0) && Limit(RLIMIT_NOFILE, 64) &&
             Limit(RLIMIT_FSIZE, rules.file_bytes_max) &&
             Limit(RLIMIT_CPU, static_cast<std::uint64_t>(rules.cpu_max.count()), 2);
#ifndef TESSERA_SANITIZED  // the sanitizers map terabytes
  set = set && Limit(RLIMIT_AS, AddressSpaceNow() + rules.memory_max);
#endif
  return set;
}

// Landlock came in Linux 5.13; the numbers are the same on every architecture.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kReadTree =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kAllOfAbi1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr std::uint64_t kTruncate = 1ull << 14;
constexpr std::uint64_t kWriteTree = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR |
                                     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                     LANDLOCK_ACCESS_FS_REMOVE_DIR;

void AllowFd(int ruleset, int fd, std::uint64_t access) {
  landlock_path_beneath_attr rule = {};
  rule.allowed_access = access;
  rule.parent_fd = fd;
  ::syscall(kAddRule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

void AllowPath(int ruleset, const char* path, std::uint64_t access) {
  const Fd fd(::open(path, O_PATH | O_CLOEXEC));
  if (fd.valid()) AllowFd(ruleset, fd.get(), access);
}

/// A kernel without Landlock still has the filter below; then files that the user can read can be
/// read by a taken-over worker, which has nowhere to send them but into its own document.
void RestrictFiles(const SandboxRules& rules) {
  const long abi = ::syscall(kCreateRuleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return;
  landlock_ruleset_attr handled = {};
  handled.handled_access_fs = kAllOfAbi1;
  if (abi >= 2) handled.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) handled.handled_access_fs |= kTruncate;
  const Fd ruleset(static_cast<int>(::syscall(kCreateRuleset, &handled, sizeof handled, 0)));
  if (!ruleset.valid()) return;
  for (const char* path : {"/usr", "/lib", "/lib64", "/bin"})
    AllowPath(ruleset.get(), path, kReadTree);
  for (const char* path : {"/etc/fonts", "/etc/alternatives"}) {
    AllowPath(ruleset.get(), path, kReadFile | LANDLOCK_ACCESS_FS_READ_DIR);
  }
  for (const char* path : {"/etc/ld.so.cache", "/etc/localtime", "/dev/urandom"}) {
    AllowPath(ruleset.get(), path, kReadFile);
  }
  AllowPath(ruleset.get(), "/dev/null", kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE);
#ifdef TESSERA_SANITIZED  // they read their own maps when they report
  AllowPath(ruleset.get(), "/proc", kReadFile | LANDLOCK_ACCESS_FS_READ_DIR);
#endif
  if (!rules.temp_dir.empty()) {
    AllowPath(ruleset.get(), rules.temp_dir.c_str(), kWriteTree | (abi >= 3 ? kTruncate : 0));
  }
  if (rules.input_fd >= 0) AllowFd(ruleset.get(), rules.input_fd, kReadFile);
  ::syscall(kRestrictSelf, ruleset.get(), 0);
}

/// A seccomp program under construction.
class Filter {
 public:
  Filter() {
    Load(offsetof(seccomp_data, arch));
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0));
    Return(SECCOMP_RET_KILL_PROCESS);
    LoadNumber();
#if defined(__x86_64__)
    // The x32 calls have numbers of their own.
    Add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));
    Return(SECCOMP_RET_ERRNO | ENOSYS);
#endif
  }
  void Deny(long number, int error = EPERM) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    Return(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
  }
  /// Denies the call when its first argument has one of `bits`.
  void DenyBits(long number, std::uint32_t bits) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 4));
    Load(offsetof(seccomp_data, args[0]));
    Add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    Return(SECCOMP_RET_ERRNO | EPERM);
    LoadNumber();
  }
  /// Denies the call unless its first argument is `value`.
  void DenyUnless(long number, std::uint32_t value) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 4));
    Load(offsetof(seccomp_data, args[0]));
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    Return(SECCOMP_RET_ERRNO | EPERM);
    LoadNumber();
  }
  bool Install() {
    Return(SECCOMP_RET_ALLOW);
    const sock_fprog program = {static_cast<unsigned short>(program_.size()), program_.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  }

 private:
  void Add(sock_filter instruction) { program_.push_back(instruction); }
  void Load(std::size_t offset) {
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  }
  void LoadNumber() { Load(offsetof(seccomp_data, nr)); }
  void Return(std::uint32_t action) { Add(BPF_STMT(BPF_RET | BPF_K, action)); }

  std::vector<sock_filter> program_;
};

constexpr long kDeniedCalls[] = {
    // network
    SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_sendto, SYS_sendmsg,
    SYS_sendmmsg,
    // other processes
    SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal,
    SYS_pidfd_open, SYS_pidfd_getfd, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_setsid, SYS_setpgid, SYS_setpriority,
    // namespaces, mounts, the kernel
    SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount,
    SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_bpf, SYS_perf_event_open,
    SYS_keyctl, SYS_add_key, SYS_request_key, SYS_init_module, SYS_finit_module, SYS_delete_module,
    SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_sethostname, SYS_setdomainname,
    SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_quotactl, SYS_acct,
    SYS_userfaultfd, SYS_fanotify_init, SYS_open_by_handle_at, SYS_name_to_handle_at,
    SYS_personality, SYS_syslog, SYS_vhangup, SYS_mknodat,
    // ways around the filter
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

bool FilterCalls() {
  Filter filter;
  for (const long number : kDeniedCalls) filter.Deny(number);
  // Reading its own limits is harmless and glibc does it; those of others are not its business.
  filter.DenyUnless(SYS_prlimit64, 0);
  filter.DenyBits(SYS_clone, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                 CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP);
  filter.Deny(SYS_clone3, ENOSYS);  // its flags are out of a filter's sight; glibc falls back
  filter.DenyUnless(SYS_tgkill, static_cast<std::uint32_t>(::getpid()));  // abort() needs it
  return filter.Install();
}

}  // namespace

bool EnterSandbox(const SandboxRules& rules) {
  if (!SetLimits(rules)) return false;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  RestrictFiles(rules);
  return FilterCalls();
}

bool ForbidPrograms() {
  Filter filter;
  for (const long number : {long{SYS_execve}, long{SYS_execveat}, long{SYS_clone}})
    filter.Deny(number);
#if defined(__x86_64__)
  for (const long number : {long{SYS_fork}, long{SYS_vfork}}) filter.Deny(number);
#endif
  return filter.Install();
}

}  // namespace tessera
