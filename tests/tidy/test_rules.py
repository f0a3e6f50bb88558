"""Each rule fires on a bad sample and stays silent on a good one: a rule that cannot fail proves nothing."""
from __future__ import annotations

import pytest
import rules
from cpp_text import code_only

# rule, path, bad text, a word of the complaint
BAD = [
    (rules.include_direction, "src/http/head.cc", '#include "uring/ring.h"\n', "must not stand on"),
    (rules.include_direction, "src/base/fd.h", '#include "http/head.h"\n', "must not stand on"),
    (rules.include_direction, "src/proxy/worker.cc", '#include "async/loop.h"\n', "must not stand on"),
    (rules.include_direction, "admin/api.cc", '#include "proxy/worker.h"\n', "must not stand on"),
    (rules.include_direction, "replica/main.cc", '#include "balance/table.h"\n', "must not stand on"),
    (rules.include_direction, "src/http/head.cc", '#include "head.h"\n', "name the room"),
    (rules.include_direction, "src/http/head.cc", '#include "htpp/head.h"\n', "belongs to no room"),
    (rules.include_direction, "src/attic/old.cc", "", "not in the plan"),
    (rules.banned_calls, "src/proxy/worker.cc", "  usleep(10);\n", "timer"),
    (rules.banned_calls, "admin/beat.cc", "  std::this_thread::sleep_for(ms);\n", "timer"),
    (rules.banned_calls, "src/http/a.cc", "strcpy(a, b);\n", "string_view"),
    (rules.banned_calls, "src/http/a.cc", "sprintf(a, b);\n", "fmt::format"),
    (rules.banned_calls, "admin/a.cc", "  system(command);\n", "spawn"),
    (rules.banned_calls, "tests/a_test.cc", "int x = rand() % 7;\n", "mt19937"),
    (rules.banned_calls, "src/base/a.cc", "gethostbyname(name);\n", "resolving"),
    (rules.banned_calls, "src/base/a.cc", "out << std::endl;\n", "flushes"),
    (rules.banned_calls, "src/base/a.cc", "  assert(x == 1);\n", "ensure"),
    (rules.banned_calls, "src/proxy/a.cc", '  printf("x");\n', "log_info"),
    (rules.banned_calls, "src/proxy/a.cc", "  std::cerr << 1;\n", "log_info"),
    (rules.banned_calls, "src/http/a.cc", "std::regex pattern;\n", "by hand"),
    (rules.banned_calls, "src/http/a.cc", "int n = atoi(text);\n", "from_chars"),
    (rules.banned_calls, "src/proxy/a.h", "  std::mutex lock_;\n", "no lock"),
    (rules.leftovers, "src/a.cc", "// FIX" + "ME later\n", "leftover"),
    (rules.leftovers, "README.md", "TO" + "DO: write\n", "leftover"),
    (rules.white_space, "src/a.cc", "\tint x;\n", "tab"),
    (rules.white_space, "src/a.cc", "int x; \n", "white space"),
    (rules.white_space, "src/a.cc", "int x;\r\n", "carriage"),
    (rules.white_space, "src/a.cc", "int x;", "no line end"),
    (rules.columns, "src/a.cc", "x" * 121 + "\n", "121 columns"),
    (rules.length, "src/a.cc", "x\n" * 601, "601 lines"),
    (rules.header_opens, "src/a.h", "// Manual.\nint x;\n", "pragma"),
    (rules.header_opens, "src/a.h", "// Manual.\n#pragma once\n#ifndef A_H\n#endif\n", "guard"),
    (rules.header_opens, "src/a.h", "#pragma once\n", "paragraph"),
    (rules.header_opens, "src/a.h", "// Manual.\n#pragma once\nusing namespace std;\n", "namespace"),
    (rules.machine_paths, "tools/a", "cd /wo" + "rk/main\n", "machine"),
    (rules.machine_paths, "tools/a", "cat /ro" + "ot/x\n", "machine"),
    (rules.machine_paths, "docs/a.md", "see /ho" + "me/someone/x\n", "machine"),
    (rules.machine_paths, "docker/Dockerfile", "http://deb." + "debian.org/debian\n", "package host"),
]

GOOD = [
    (rules.include_direction, "admin/api.cc", '#include "proxy/control.h"\n#include "async/loop.h"\n#include <a>\n'),
    (rules.include_direction, "src/main.cc", '#include "program.h"\n#include "proxy/worker.h"\n'),
    (rules.include_direction, "src/proxy/a.cc", '#include "proxy/b.h"\n#include "config/settings.h"\n'),
    (rules.include_direction, "tests/proxy/a_test.cc", '#include "fake/ring.h"\n'),
    (rules.banned_calls, "src/proxy/a.cc", '// assert(x), printf("x")\nauto t = "sleep(1)";\nstatic_assert(true);\n'),
    (rules.banned_calls, "admin/a.cc", "co_await loop.sleep(pause);\n"),
    (rules.banned_calls, "src/proxy/a.cc", "fmt::format_to(out, x); snprintf(a, b, c); operand(1); grand(2);\n"),
    (rules.banned_calls, "src/main.cc", '  std::fputs(text, stdout);\n'),
    (rules.banned_calls, "tests/a_test.cc", "  usleep(10);\n"),
    (rules.columns, "src/a.cc", "x" * 120 + "\n"),
    (rules.length, "src/a.cc", "x\n" * 600),
    (rules.header_opens, "src/a.h", "// Manual.\n#pragma once\nint x;\n"),
    (rules.machine_paths, "README.md", "GET /home, /home?request_id=1, http://127.0.0.1:5000/home/x.htm, src/work/a\n"),
    (rules.leftovers, "src/a.cc", "XXXL, todo, fixme_later\n"),
]


@pytest.mark.parametrize("rule, path, text, word", BAD, ids=lambda v: v.__name__ if callable(v) else None)
def test_the_rule_fires_on_a_bad_sample(rule, path, text, word):
    complaints = list(rule(path, text))
    assert any(word in complaint for _, complaint in complaints), complaints


@pytest.mark.parametrize("rule, path, text", GOOD, ids=lambda v: v.__name__ if callable(v) else None)
def test_the_rule_is_silent_on_a_good_one(rule, path, text):
    assert not list(rule(path, text))


def test_every_rule_has_a_bad_sample():
    assert {rule for rule, *_ in BAD} == set(rules.RULES)


def test_comments_and_literals_are_blanked_and_lines_kept():
    text = 'a; // b\n/* c\nd */ e("f//g", \'"\', 1\'000); R"x(h"\n)x" i;\n'
    blanked = code_only(text)
    assert len(blanked) == len(text) and blanked.count("\n") == text.count("\n")
    assert all(letter not in blanked for letter in "bcdfgh") and all(letter in blanked for letter in "aei")
    assert "1'000" in blanked
