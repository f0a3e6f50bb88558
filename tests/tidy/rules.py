"""What the tree must look like, as functions from one file's text to complaints.

Each rule is a function (path, text) -> iterator of (line number, what is wrong). `path` is relative to the root, with
forward slashes. test_rules.py shows each of them firing on a bad sample.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from cpp_text import code_only

Complaints = Iterator[tuple[int, str]]

# --- which room may stand on which ------------------------------------------------------------------------------------
ROOMS = {
    "base": set(),
    "uring": {"base"},
    "http": {"base"},
    "balance": {"base"},
    "config": {"base"},
    "async": {"base", "uring", "http"},
    "proxy": {"base", "uring", "http", "balance", "config"},
    "admin": {"base", "uring", "http", "async", "balance", "config"},
    "replica": {"base", "uring", "http", "async"},
}
# The one door between the admin thread and the workers; and the cookies that both read.
DOORS = {"admin": {"proxy/control.h", "proxy/meters.h", "proxy/sticky.h"}}

# --- sizes ------------------------------------------------------------------------------------------------------------
COLUMNS_MAX = 120
LINES_MAX = 600
LONG_FILES: dict[str, str] = {
    # path: why it may be longer (a list, a table, a switch over states)
    "tests/proxy/conversation_test.cc": "a list of conversations, one behaviour each",
    "src/config/settings_table.cc": "one table, a row for each setting",
}

# --- calls that have a better replacement -----------------------------------------------------------------------------
# (pattern, replacement, folders in which it is banned, files in which it is allowed)
ALL_CODE = ("src/", "admin/", "replica/", "tests/", "perf/")
PROGRAM = ("src/", "admin/", "replica/")
PRINTERS = ("src/main.cc", "src/command_line.cc", "src/program.cc", "src/base/log.cc", "src/base/error.cc",
            "replica/main.cc", "replica/settings.cc")
BOUNDED_WAITS = ("src/async/loop.h",         # the loop's own sleep(), which is such a timer
                 "src/proxy/control.cc",     # publish() waits for one loop of every worker
                 "src/uring/kernel_ring.cc")  # the kernel has no memory for a request
BANNED = [
    (r"(?<![\w.>])(sleep|usleep|nanosleep|clock_nanosleep)\s*\(|\bsleep_(for|until)\b",
     "a timer of the loop: nothing may block a thread", PROGRAM, BOUNDED_WAITS),
    (r"\b(strcpy|strcat|strncpy|strncat|gets)\s*\(", "std::string, std::string_view or memcpy with a checked length",
     ALL_CODE, ()),
    (r"\bv?sprintf\s*\(", "fmt::format or fmt::format_to_n", ALL_CODE, ()),
    (r"(?<![\w.>:])(system|popen)\s*\(", "admin/spawn.h: no shell", PROGRAM, ()),
    (r"(?<![\w.>])s?rand\s*\(", "std::mt19937_64 with a seed that is told", ALL_CODE, ()),
    (r"\b(gethostbyname|gethostbyaddr|getaddrinfo)\s*\(", "SocketAddress::parse: resolving blocks", ALL_CODE, ()),
    (r"\bstd::endl\b", "'\\n': endl flushes", ALL_CODE, ()),
    (r"(?<![\w_])assert\s*\(", "ensure(): active in release builds too", ALL_CODE, ()),
    (r"\b(f|d|v|vf)?printf\s*\(|\bf?puts\s*\(|\bstd::(cout|cerr|clog|print|println)\b|\bfmt::print(ln)?\s*\(",
     "log_info and its sisters: standard output is the command line's", PROGRAM, PRINTERS),
    (r"\bstd::regex\b", "a few lines by hand: it allocates, recurses and is slow", PROGRAM, ()),
    (r"\b(atoi|atol|atoll|atof)\s*\(", "std::from_chars: it tells errors", ALL_CODE, ()),
    (r"\bstd::(recursive_|shared_|timed_)*mutex\b|\bpthread_mutex_", "proxy/control.h: no lock on the request path",
     ("src/proxy/", "src/uring/", "src/http/", "src/balance/"), ("src/proxy/control.h", "src/proxy/control.cc")),
    (r"\bstd::(unordered_)?(multi)?map\b|\bstd::list\b", "Slab, List or an array: no allocation on the request path",
     ("src/uring/",), ()),
]

CODE = (".h", ".cc")
TEXT = (".h", ".cc", ".py", ".build", ".options", ".toml", ".sh", ".md", ".vtc", ".yaml", ".yml", ".json", ".html",
        ".js", ".css", ".dict", "")


def _is_code(path: str) -> bool:
    return path.endswith(CODE)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.split("\n"), 1)


def room_of(path: str) -> str | None:
    """The room that a source file belongs to; None for main and what lies beside it, for tests and for perf."""
    parts = PurePosixPath(path).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return parts[0] if parts[0] in ("admin", "replica") else None


def include_direction(path: str, text: str) -> Complaints:
    if not _is_code(path) or path.startswith(("tests/", "perf/")):
        return
    room = room_of(path)
    if room is not None and room not in ROOMS:
        yield 1, f"the room '{room}' is not in the plan (ROOMS)"
        return
    for number, line in _lines(text):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        included = match.group(1)
        target, slash, _ = included.partition("/")
        if not slash:
            if room is not None:
                yield number, f'"{included}": name the room: "{room}/{included}"'
        elif target not in ROOMS:
            yield number, f'"{included}" belongs to no room'
        elif room not in (None, target) and target not in ROOMS[room] and included not in DOORS.get(room, set()):
            yield number, f"{room} must not stand on {included}"


def banned_calls(path: str, text: str) -> Complaints:
    if not _is_code(path):
        return
    lines = list(_lines(code_only(text)))
    for pattern, instead, folders, allowed in BANNED:
        if not path.startswith(folders) or path in allowed:
            continue
        for number, line in lines:
            if match := re.search(pattern, line):
                yield number, f"{match.group().strip()}: use {instead}"


def leftovers(path: str, text: str) -> Complaints:
    for number, line in _lines(text):
        if match := re.search(r"\b(FIXME|TODO|XXX|HACK)\b", line):
            yield number, f"leftover {match.group()}"


def white_space(path: str, text: str) -> Complaints:
    for number, line in _lines(text):
        if "\t" in line and not path.endswith((".json", ".dict")):
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "white space at the end of the line"
        if "\r" in line:
            yield number, "a carriage return"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no line end at the end of the file"


def columns(path: str, text: str) -> Complaints:
    if not path.endswith((".h", ".cc", ".py", ".build", ".vtc", ".toml", ".md")):
        return
    for number, line in _lines(text):
        if len(line) > COLUMNS_MAX and not re.search(r"https?://\S{60}", line) and not line.startswith("|"):
            yield number, f"{len(line)} columns, at most {COLUMNS_MAX}"


def length(path: str, text: str) -> Complaints:
    count = text.count("\n")
    if path.endswith((".h", ".cc", ".py")) and count > LINES_MAX and path not in LONG_FILES:
        yield count, f"{count} lines, at most {LINES_MAX}: two files, or a reason in LONG_FILES"


def header_opens(path: str, text: str) -> Complaints:
    """A header is a manual: it opens with what it is for, and is read once."""
    if not path.endswith(".h"):
        return
    if text.count("#pragma once") != 1:
        yield 1, "#pragma once is missing"
    if re.search(r"^\s*#\s*ifndef\s+\w+_H_?\b", text, re.M):
        yield 1, "an include guard beside #pragma once"
    if not text.startswith("//"):
        yield 1, "a header opens with a paragraph: problem, idea, limits"
    for number, line in _lines(code_only(text)):
        if re.match(r"\s*using\s+namespace\s+std\b", line):
            yield number, "using namespace std in a header"


def machine_paths(path: str, text: str) -> Complaints:
    """Nothing in the tree knows on which machine it was written, or where its packages came from."""
    for number, line in _lines(text):
        if match := re.search(r"(?<![\w./])/(work|root|Users)/\S+|(?<![\w.])/home/[a-z][\w-]*/\S*", line):
            yield number, f"a machine's path: {match.group()}"
        if match := re.search(r"https?://[\w.-]*(deb\.debian|ftp\.debian|snapshot\.debian|pypi|npmjs|proxy\.golang|"
                              r"crates\.io|archive\.ubuntu)[\w.-]*", line):
            yield number, f"a package host: {match.group()}"


RULES = [include_direction, banned_calls, leftovers, white_space, columns, length, header_opens, machine_paths]
