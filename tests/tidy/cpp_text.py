"""C++ source with comments and literals blanked out, line by line as long as before."""
from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/                                  # comments
        |R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"       # raw strings
        |"(?:\\.|[^"\\\n])*"                               # strings
        |(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'               # characters; after a digit it separates thousands
    """, re.S | re.X)


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def code_only(text: str) -> str:
    """Comments become blanks, literals empty quotes and blanks. Digit separators (1'000) are no literals."""
    def replace(match: re.Match) -> str:
        token = match.group()
        if token.startswith("/"):
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(replace, text)
