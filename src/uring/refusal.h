// Why this machine refuses io_uring, decided from what it says about itself.
//
// io_uring_setup has few errnos for many causes: EPERM is a seccomp profile, a sysctl, or a security module. The
// decision is a pure function of facts, so that every cause has a test; gather_refusal_facts() reads them.
//
// Sources: io_uring_setup(2); proc_pid_status(5), Seccomp; Documentation/admin-guide/sysctl/kernel.rst,
// io_uring_disabled (Linux 6.6); moby pull request 46762, which took io_uring out of the default container profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ringmaster::uring {

enum class RefusalCause : uint8_t {
  seccomp,             // a profile of the container engine or the service manager
  disabled_for_all,    // kernel.io_uring_disabled = 2
  disabled_for_group,  // kernel.io_uring_disabled = 1 and the process is not privileged
  memory_limit,        // RLIMIT_MEMLOCK, or the memory limit of the control group
  descriptor_limit,    // RLIMIT_NOFILE, or the system's table of open files
  old_kernel,          // older than 6.1
  not_built,           // CONFIG_IO_URING is off
  security_module,     // EPERM that nothing of the above explains: SELinux and the like
  unknown,
};

struct KernelVersion {
  uint32_t major = 0;
  uint32_t minor = 0;
  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};

inline constexpr KernelVersion oldest_kernel{6, 1};
inline constexpr uint64_t unlimited_bytes = UINT64_MAX;

struct RefusalFacts {
  int errno_value = 0;
  int seccomp_mode = 0;                   // 0 off, 1 strict, 2 filter
  std::optional<int> io_uring_disabled;   // the sysctl; none before Linux 6.6
  KernelVersion kernel;
  std::string kernel_release;             // as uname prints it
  uint64_t memlock_bytes = unlimited_bytes;
};

RefusalCause refusal_cause(const RefusalFacts& facts) noexcept;
// Exit code 78; what() names the cause, remedy() what to do about it.
StartError refusal_error(const RefusalFacts& facts);

RefusalFacts gather_refusal_facts(int errno_value);
// "6.18.44-fc" is 6.18; {0, 0} where there is no number to read.
KernelVersion parse_kernel_version(std::string_view release) noexcept;

}  // namespace ringmaster::uring
