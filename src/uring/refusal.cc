#include "uring/refusal.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

namespace ringmaster::uring {

namespace {

int read_seccomp_mode() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    std::istringstream words(line);
    std::string name;
    int mode = 0;
    if (words >> name >> mode && name == "Seccomp:") return mode;
  }
  return 0;
}

std::optional<int> read_io_uring_disabled() {
  std::ifstream sysctl("/proc/sys/kernel/io_uring_disabled");
  int value = 0;
  if (sysctl >> value) return value;
  return std::nullopt;
}

std::string bytes_text(uint64_t bytes) {
  return bytes == unlimited_bytes ? "unlimited" : fmt::format("{} KiB", bytes / 1024);
}

// A sysctl that refuses does not exclude a profile that would refuse as well: say it, so that one remedy is not
// followed by a second, equal disappointment.
std::string profile_too(const RefusalFacts& facts) {
  if (facts.seccomp_mode != 2) return "";
  return "; the process also runs under a seccomp profile, which may refuse io_uring as well";
}

}  // namespace

RefusalCause refusal_cause(const RefusalFacts& facts) noexcept {
  switch (facts.errno_value) {
    case EPERM:
    case EACCES:
      if (facts.io_uring_disabled == 2) return RefusalCause::disabled_for_all;
      if (facts.io_uring_disabled == 1) return RefusalCause::disabled_for_group;
      return facts.seccomp_mode == 2 ? RefusalCause::seccomp : RefusalCause::security_module;
    case ENOSYS:
      if (facts.seccomp_mode == 2) return RefusalCause::seccomp;
      return facts.kernel < oldest_kernel ? RefusalCause::old_kernel : RefusalCause::not_built;
    case EINVAL:
      return facts.kernel < oldest_kernel ? RefusalCause::old_kernel : RefusalCause::unknown;
    case ENOMEM:
      return RefusalCause::memory_limit;
    case EMFILE:
    case ENFILE:
      return RefusalCause::descriptor_limit;
    default:
      return RefusalCause::unknown;
  }
}

StartError refusal_error(const RefusalFacts& facts) {
  const std::string refused = fmt::format("the kernel refuses io_uring ({})", strerrordesc_np(facts.errno_value));
  std::string cause;
  std::string remedy;
  switch (refusal_cause(facts)) {
    case RefusalCause::seccomp:
      cause = "a seccomp profile denies it: this process is filtered (Seccomp: 2 in /proc/self/status), and the "
              "default profiles of Docker, containerd and Podman deny io_uring";
      remedy = "start the container with the profile that ships with ringmaster: docker run --security-opt "
               "seccomp=docker/seccomp-io_uring.json; for a systemd service, allow @io-event in SystemCallFilter=";
      break;
    case RefusalCause::disabled_for_all:
      cause = "the sysctl kernel.io_uring_disabled is 2: io_uring is off for every process" + profile_too(facts);
      remedy = "as root on the host: sysctl -w kernel.io_uring_disabled=0";
      break;
    case RefusalCause::disabled_for_group:
      cause = "the sysctl kernel.io_uring_disabled is 1: only processes with CAP_SYS_ADMIN, or in the group that the "
              "sysctl kernel.io_uring_group names, may use io_uring" + profile_too(facts);
      remedy = "run ringmaster in that group (sysctl kernel.io_uring_group), or as root on the host: sysctl -w "
               "kernel.io_uring_disabled=0";
      break;
    case RefusalCause::memory_limit:
      cause = fmt::format("not enough memory is allowed: RLIMIT_MEMLOCK is {}, or the control group is at its limit",
                          bytes_text(facts.memlock_bytes));
      remedy = "raise the limit (ulimit -l, LimitMEMLOCK= in systemd, docker run --ulimit memlock=-1) or the control "
               "group's memory, or run fewer workers";
      break;
    case RefusalCause::descriptor_limit:
      cause = "the limit of open files is reached";
      remedy = "raise it: ulimit -n, LimitNOFILE= in systemd, docker run --ulimit nofile=65536";
      break;
    case RefusalCause::old_kernel:
      cause = fmt::format("Linux {} is older than 6.1, the first that ringmaster can run on", facts.kernel_release);
      remedy = "boot Linux 6.1 or newer (Debian 12 has it); in a container it is the host's kernel that counts";
      break;
    case RefusalCause::not_built:
      cause = fmt::format("Linux {} was built without it", facts.kernel_release);
      remedy = "boot a kernel that has CONFIG_IO_URING=y, as those of the distributions have";
      break;
    case RefusalCause::security_module:
      cause = "neither a seccomp profile nor kernel.io_uring_disabled explains it: a security module (SELinux, "
              "AppArmor, BPF) denies it";
      remedy = "look for the denial in the audit log (ausearch -m avc, dmesg) and allow io_uring for ringmaster";
      break;
    case RefusalCause::unknown:
      cause = fmt::format("no known cause; Linux {}, Seccomp: {}, RLIMIT_MEMLOCK {}", facts.kernel_release,
                          facts.seccomp_mode, bytes_text(facts.memlock_bytes));
      break;
  }
  return StartError(ExitCode::configuration, refused + ": " + cause, remedy);
}

RefusalFacts gather_refusal_facts(int errno_value) {
  RefusalFacts facts;
  facts.errno_value = errno_value;
  facts.seccomp_mode = read_seccomp_mode();
  facts.io_uring_disabled = read_io_uring_disabled();
  utsname names{};
  if (uname(&names) == 0) facts.kernel_release = names.release;
  facts.kernel = parse_kernel_version(facts.kernel_release);
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) facts.memlock_bytes = limit.rlim_cur;
  return facts;
}

KernelVersion parse_kernel_version(std::string_view release) noexcept {
  KernelVersion version;
  const char* end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.major);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return {};
  if (std::from_chars(major.ptr + 1, end, version.minor).ec != std::errc{}) return {};
  return version;
}

}  // namespace ringmaster::uring
