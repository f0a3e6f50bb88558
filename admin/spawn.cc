#include "admin/spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

extern char** environ;
// clone(2) under the name that the thread sanitizer does not wrap: it takes every clone for a fork, and this one shares
// our memory.
extern "C" int __clone(int (*run)(void*), void* stack, int flags, void* given, ...);

namespace ringmaster::admin {

namespace {

bool executable(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

// Everything that the child needs, made before it exists: between clone and exec it shares our memory and must not
// allocate, lock, or return.
struct ChildPlan {
  const char* program;
  char** arguments;
  char** environment;
  pid_t parent;
  int null_input;
  int failure = 0;   // written by the child, read by us: an errno
};

// What the kernel takes for sigaction(2); its handler field comes first everywhere, and zero means SIG_DFL.
struct KernelSignalAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

// Plain system calls, so that no library's bookkeeping (which is the parent's) is touched.
__attribute__((no_sanitize("address", "thread", "undefined"))) int run_child(void* given) {
  auto& plan = *static_cast<ChildPlan*>(given);
  constexpr int ignored_by_habit[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGCHLD};
  const KernelSignalAction by_default{};
  const uint64_t no_signals = 0;
  // A parent that ended before the first line had run would never be noticed: hence the second.
  bool going = ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
  if (::syscall(SYS_getppid) != plan.parent) ::syscall(SYS_exit_group, 127);
  going = going && ::syscall(SYS_setpgid, 0, 0) == 0;
  going = going && ::syscall(SYS_dup3, plan.null_input, STDIN_FILENO, 0) >= 0;
  if (going) {
    // All of ours are close-on-exec; this is for those that somebody else has left us.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    // Exec resets handlers, but neither ignored signals nor the mask.
    for (int i = 0; i < 6; ++i) {
      ::syscall(SYS_rt_sigaction, ignored_by_habit[i], &by_default, nullptr, sizeof by_default.mask);
    }
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
    ::syscall(SYS_execve, plan.program, plan.arguments, plan.environment);
  }
  plan.failure = errno;
  ::syscall(SYS_exit_group, 127);
  return 127;
}

std::vector<std::string> changed_environment(const Environment& changes) {
  std::vector<std::string> lines;
  for (char** line = environ; *line; ++line) {
    const std::string_view name(*line, strcspn(*line, "="));
    const bool changed = std::ranges::any_of(changes, [&](const auto& change) { return change.first == name; });
    if (!changed) lines.emplace_back(*line);
  }
  for (const auto& [name, value] : changes) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

// The child's stack while it shares our memory.
class Stack {
 public:
  Stack() : base_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    if (base_ != MAP_FAILED) ::munmap(base_, bytes);
  }
  void* top() const noexcept { return base_ == MAP_FAILED ? nullptr : static_cast<char*>(base_) + bytes; }

 private:
  static constexpr size_t bytes = 64 * 1024;
  void* base_;
};

}  // namespace

std::string find_program(std::string_view name) {
  if (name.find('/') != std::string_view::npos) return executable(std::string(name)) ? std::string(name) : "";
  std::error_code failure;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (!failure) {
    const std::string beside = (own.parent_path() / name).string();
    if (executable(beside)) return beside;
    // In a build tree every program has a folder of its own, named after its room.
    const std::string built = (own.parent_path().parent_path() / "replica" / name).string();
    if (executable(built)) return built;
  }
  const char* path = ::getenv("PATH");
  std::string_view folders = path ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!folders.empty()) {
    const size_t colon = std::min(folders.find(':'), folders.size());
    // An empty entry would be the working directory, in which nothing of ours is looked for.
    if (colon > 0) {
      const std::string found = fmt::format("{}/{}", folders.substr(0, colon), name);
      if (executable(found)) return found;
    }
    folders.remove_prefix(std::min(colon + 1, folders.size()));
  }
  return "";
}

std::string require_program(std::string_view name) {
  const std::string found = find_program(name);
  if (!found.empty()) return found;
  if (name.find('/') == std::string_view::npos) {
    throw StartError(ExitCode::configuration,
                     fmt::format("replicas.command: no program '{}' beside ringmaster or on PATH", name),
                     "build or install it, or give its path");
  }
  const std::string path(name);
  std::error_code ignored;
  const bool irregular = std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored);
  const int why = ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
  throw StartError(ExitCode::configuration,
                   fmt::format("replicas.command: '{}' cannot be run: {}", path,
                               irregular ? "it is no file" : strerror(why)),
                   why == EACCES && !irregular ? "let the user that ringmaster runs as execute it (chmod +x)"
                                               : "give the path of a program that is there");
}

// clone() with CLONE_VFORK stops this thread until the child has gone through exec or ended; CLONE_PIDFD gives the
// descriptor together with the child, so that its number cannot have been used again in between.
Result<Child> spawn(const std::string& program, const std::vector<std::string>& arguments, const Environment& changes) {
  const Fd null_input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null_input) return std::unexpected(Error::from_errno(errno, "open /dev/null"));
  const Stack stack;
  if (!stack.top()) return std::unexpected(Error::from_errno(ENOMEM, "mmap"));

  const std::vector<std::string> environment = changed_environment(changes);
  std::vector<char*> argument_pointers = pointers(arguments);
  std::vector<char*> environment_pointers = pointers(environment);
  ChildPlan plan{program.c_str(), argument_pointers.data(), environment_pointers.data(), ::getpid(), null_input.get()};

  int pidfd = -1;
  const int pid = ::__clone(run_child, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
  if (pid < 0) return std::unexpected(Error::from_errno(errno, "clone"));
  Child child{pid, Fd(pidfd)};
  if (plan.failure != 0) {
    reap(child);
    return std::unexpected(Error::from_errno(plan.failure, "exec"));
  }
  return child;
}

void signal_group(const Child& child, int signal) noexcept {
  // A child that has made itself part of another group is still to be reached.
  if (::kill(-child.pid, signal) != 0) ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0);
}

Ending reap(const Child& child) {
  // Its children, if it left any, are still in its group, and its number is still its own until the next line but one.
  ::kill(-child.pid, SIGKILL);
  siginfo_t info{};
  int result;
  do {
    result = ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return {to_string(Error::from_errno(errno, "waitid")), -1};
  if (info.si_code == CLD_EXITED) return {fmt::format("exited with status {}", info.si_status), info.si_status};
  const char* name = ::sigdescr_np(info.si_status);
  return {fmt::format("killed by signal {} ({})", info.si_status, name ? name : "unknown"), -1};
}

Result<PortReservation> reserve_port() {
  PortReservation reservation{Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
  if (!reservation.holder) return std::unexpected(Error::from_errno(errno, "socket"));
  const int on = 1;
  SocketAddress address = SocketAddress::loopback(0);
  if (::setsockopt(reservation.holder.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(reservation.holder.get(), address.data(), address.length()) != 0) {
    return std::unexpected(Error::from_errno(errno, "bind"));
  }
  sockaddr_in bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(reservation.holder.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
    return std::unexpected(Error::from_errno(errno, "getsockname"));
  }
  reservation.port = ntohs(bound.sin_port);
  return reservation;
}

}  // namespace ringmaster::admin
