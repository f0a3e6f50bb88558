// The three kinds of failure, and the tool for each.
//
//   the world   a peer reset, a connect was refused, a file is missing: Result<T>, an Error inside. Small and
//               trivially copyable; its text is made only when somebody prints it.
//   ourselves   an invariant of ours does not hold: ensure(). Active in release builds too. Never used on what a
//               peer, a container or an operator controls.
//   the start   the program cannot begin: throw StartError; main catches it once and prints it.
#pragma once

#include <cstdint>
#include <exception>
#include <expected>
#include <string>
#include <string_view>

namespace ringmaster {

enum class ErrorKind : uint8_t {
  os,         // number is an errno value
  closed,     // the peer ended the conversation in an orderly way
  timed_out,  // a deadline of ours passed
  refused,    // the other side, or a rule, said no
  full,       // a bound of ours is reached
  malformed,  // bytes that break their grammar
  cancelled,  // we asked for it to end
};

struct Error {
  ErrorKind kind = ErrorKind::os;
  int32_t number = 0;        // errno for os, otherwise 0
  const char* doing = "";    // static text: what was being done

  // From the result of an io_uring operation or a system call: pass the positive errno.
  static Error from_errno(int number, const char* doing) noexcept { return {ErrorKind::os, number, doing}; }
};

template <class T>
using Result = std::expected<T, Error>;

// "connect: Connection refused"
std::string to_string(const Error& error);

// sysexits.h
enum class ExitCode : int { ok = 0, usage = 64, internal = 70, configuration = 78 };

// Thrown during set-up only, caught once in main.
class StartError : public std::exception {
 public:
  StartError(ExitCode code, std::string what, std::string remedy);
  const char* what() const noexcept override { return what_.c_str(); }
  ExitCode code() const noexcept { return code_; }
  const std::string& remedy() const noexcept { return remedy_; }  // "" where there is none to give

 private:
  ExitCode code_;
  std::string what_;
  std::string remedy_;
};

[[noreturn]] void ensure_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace ringmaster

// An invariant of ours. Says which and ends the program with a core; in every build.
#define ensure(expression)                                      \
  (__builtin_expect(static_cast<bool>(expression), 1) ? void(0) \
                                                      : ::ringmaster::ensure_failed(#expression, __FILE__, __LINE__))
