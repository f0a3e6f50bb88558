#include "uring/refusal.h"

#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/fd.h"
#include "uring/kernel_ring.h"

namespace ringmaster::uring {

namespace {

using testing::HasSubstr;

struct Case {
  RefusalFacts facts;
  RefusalCause cause;
  const char* says;
  const char* remedy;
};

constexpr KernelVersion new_kernel{6, 18};

TEST(Refusal, EveryCauseIsToldApartWithItsRemedy) {
  const Case cases[] = {
      {{.errno_value = EPERM, .seccomp_mode = 2, .io_uring_disabled = 0, .kernel = new_kernel},
       RefusalCause::seccomp, "seccomp profile", "--security-opt seccomp=docker/seccomp-io_uring.json"},
      {{.errno_value = EPERM, .seccomp_mode = 2, .kernel = {6, 1}},  // no such sysctl yet
       RefusalCause::seccomp, "seccomp profile", "--security-opt"},
      {{.errno_value = ENOSYS, .seccomp_mode = 2, .io_uring_disabled = 0, .kernel = new_kernel},
       RefusalCause::seccomp, "seccomp profile", "--security-opt"},
      {{.errno_value = EPERM, .io_uring_disabled = 2, .kernel = new_kernel},
       RefusalCause::disabled_for_all, "kernel.io_uring_disabled is 2", "sysctl -w kernel.io_uring_disabled=0"},
      {{.errno_value = EPERM, .seccomp_mode = 2, .io_uring_disabled = 2, .kernel = new_kernel},
       RefusalCause::disabled_for_all, "also runs under a seccomp profile", "sysctl -w"},
      {{.errno_value = EPERM, .io_uring_disabled = 1, .kernel = new_kernel},
       RefusalCause::disabled_for_group, "CAP_SYS_ADMIN", "kernel.io_uring_group"},
      {{.errno_value = ENOMEM, .io_uring_disabled = 0, .kernel = new_kernel, .memlock_bytes = 64 * 1024},
       RefusalCause::memory_limit, "RLIMIT_MEMLOCK is 64 KiB", "ulimit -l"},
      {{.errno_value = EMFILE, .kernel = new_kernel}, RefusalCause::descriptor_limit, "open files", "ulimit -n"},
      {{.errno_value = EINVAL, .kernel = {5, 15}, .kernel_release = "5.15.0-91-generic"},
       RefusalCause::old_kernel, "Linux 5.15.0-91-generic is older than 6.1", "6.1 or newer"},
      {{.errno_value = ENOSYS, .kernel = {4, 19}, .kernel_release = "4.19.0"},
       RefusalCause::old_kernel, "older than 6.1", "6.1 or newer"},
      {{.errno_value = ENOSYS, .kernel = new_kernel, .kernel_release = "6.18.1"},
       RefusalCause::not_built, "Linux 6.18.1 was built without it", "CONFIG_IO_URING=y"},
      {{.errno_value = EPERM, .io_uring_disabled = 0, .kernel = new_kernel},
       RefusalCause::security_module, "security module", "audit log"},
      {{.errno_value = EINVAL, .kernel = new_kernel, .kernel_release = "6.18.1"},
       RefusalCause::unknown, "no known cause; Linux 6.18.1", ""},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.says);
    EXPECT_EQ(refusal_cause(one.facts), one.cause);
    const StartError error = refusal_error(one.facts);
    EXPECT_EQ(error.code(), ExitCode::configuration);
    EXPECT_THAT(error.what(), HasSubstr(strerrordesc_np(one.facts.errno_value)));
    EXPECT_THAT(error.what(), HasSubstr(one.says));
    EXPECT_THAT(error.remedy(), HasSubstr(one.remedy));
  }
}

TEST(Refusal, KernelVersionIsReadFromItsRelease) {
  EXPECT_EQ(parse_kernel_version("6.18.44-fc-v669"), new_kernel);
  EXPECT_EQ(parse_kernel_version("6.1"), oldest_kernel);
  EXPECT_EQ(parse_kernel_version("5.10.0-8-amd64"), (KernelVersion{5, 10}));
  EXPECT_EQ(parse_kernel_version("six"), KernelVersion{});
  EXPECT_EQ(parse_kernel_version("6"), KernelVersion{});
  EXPECT_EQ(parse_kernel_version(""), KernelVersion{});
}

TEST(Refusal, FactsOfThisMachineAreRead) {
  const RefusalFacts facts = gather_refusal_facts(EPERM);
  EXPECT_EQ(facts.errno_value, EPERM);
  EXPECT_GE(facts.kernel, oldest_kernel);
  EXPECT_FALSE(facts.kernel_release.empty());
}

// Answers io_uring_setup as the default profiles of container engines do.
bool deny_io_uring(uint32_t errno_value) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno_value),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = std::size(program), .filter = program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::string message_under_filter(uint32_t errno_value) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    std::string message = "the ring was made";
    try {
      if (!deny_io_uring(errno_value)) message = "no filter";
      else make_kernel_ring({});
    } catch (const StartError& error) {
      message = std::to_string(static_cast<int>(error.code())) + " " + error.what() + " | " + error.remedy();
    }
    const ssize_t written = write(writing.get(), message.data(), message.size());
    _exit(written < 0);
  }
  writing.reset();
  std::string message(4096, '\0');
  const ssize_t count = read(reading.get(), message.data(), message.size());
  message.resize(count > 0 ? static_cast<size_t>(count) : 0);
  waitpid(child, nullptr, 0);
  return message;
}

TEST(Refusal, ProcessUnderASeccompFilterIsToldSo) {
  for (const uint32_t errno_value : {EPERM, ENOSYS}) {
    const std::string message = message_under_filter(errno_value);
    EXPECT_THAT(message, HasSubstr("78 the kernel refuses io_uring"));
    EXPECT_THAT(message, HasSubstr("a seccomp profile denies it"));
    EXPECT_THAT(message, HasSubstr("docker run --security-opt seccomp=docker/seccomp-io_uring.json"));
  }
}

}  // namespace

}  // namespace ringmaster::uring
