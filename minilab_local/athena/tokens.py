"""Athena's DDL as tokens, so that quotes and comments never confuse its parser."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LEXEME = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![A-Za-z_]))
  | (?P<word>[A-Za-z_0-9@$][\w@$]*)
  | (?P<symbol><>|<=|>=|!=|\|\||->|=>|[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """``kind`` is word, name (quoted identifier), string, number, symbol or end; ``value`` is
    without quotes; ``start`` and ``end`` are its place in the text."""

    kind: str
    value: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        return self.value.upper() if self.kind in ("word", "symbol") else ""


def tokenize(text: str) -> list[Token]:
    """Split a statement; comments and space vanish; the last token is the end."""
    tokens = []
    for match in _LEXEME.finditer(text):
        kind, raw = match.lastgroup or "", match[0]
        if kind == "space":
            continue
        value = raw
        if kind == "name":
            value = raw[1:-1].replace(raw[0] * 2, raw[0])
        elif kind == "string":
            value = raw[1:-1].replace("''", "'")
        tokens.append(Token(kind, value, match.start(), match.end()))
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def place(text: str, offset: int) -> str:
    """``line 2:5``, as Trino counts: both from one."""
    line = text.count("\n", 0, offset) + 1
    return f"line {line}:{offset - (text.rfind(chr(10), 0, offset) + 1) + 1}"
