"""Trino's grammar as we read it: every call keeps its own name and the order of its arguments.

sqlglot's Trino dialect turns calls into neutral nodes, and some lose their meaning on the way.
Here a call stays ``Anonymous``; only what has a grammar of its own (CAST, EXTRACT, TRIM …) is a
node. The parser is compiled and cannot be subclassed, so this happens on the tokens before it.

``parse_one(sql, read=DIALECT)`` reads whole statements, Hive's DDL included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp
from sqlglot.dialects.athena import Athena
from sqlglot.dialects.trino import Trino
from sqlglot.tokens import Token, TokenType

DIALECT = "minilabathena"

# A call whose closing parenthesis carries this comment is left alone by sqlglot's parser.
_ANONYMOUS = exp.SQLGLOT_ANONYMOUS
# Calls with a parser of their own in sqlglot, for which Trino has plain arguments: a prefix hides
# their names from it.
PREFIX = "trino$"
_HIDDEN = frozenset(
    {
        "MAX_BY", "MIN_BY", "ARG_MAX", "ARG_MIN", "CEIL", "FLOOR", "CHR", "NORMALIZE",
        "DECODE", "CONVERT", "INITCAP", "STRING_AGG", "MATCH", "OVERLAY", "GAP_FILL",
    }
)  # fmt: skip
# Calls whose arguments end in keywords. Each argument's keywords become one more argument, a text
# that starts with CLAUSE.
CLAUSE = "clause$"
_CLAUSED = frozenset(
    {"JSON_QUERY", "JSON_VALUE", "JSON_EXISTS", "JSON_OBJECT", "JSON_ARRAY", "LISTAGG"}
)
_CLAUSE_STARTS = frozenset(
    {
        "FORMAT", "RETURNING", "WITH", "WITHOUT", "KEEP", "OMIT", "NULL", "ERROR", "EMPTY",
        "DEFAULT", "ABSENT", "PASSING", "TRUE", "FALSE", "UNKNOWN", "ON",
    }
)  # fmt: skip
# Types whose literal (``DECIMAL '1.50'``) is not what a cast of the same text gives.
_LITERALS = {"DECIMAL": "decimal_literal", "JSON": "json_parse", "CHAR": "char_literal"}


def keep_calls(tokens: list[Token]) -> list[Token]:
    """Tokens of a Trino statement, changed so that the parser leaves calls as they are written."""
    found = tokens
    kinds = {token.token_type for token in tokens}
    words = {token.text.upper() for token in tokens}
    if kinds & _NUMBERS:
        found = list(_numbers(found))
    if words & _LITERALS.keys():
        found = list(_literals(iter(found)))
    if words & _CLAUSED:
        found = list(_clauses(iter(found)))
    return list(_mark(found, bool(words & _HIDDEN)))


_NUMBERS = {TokenType.NUMBER, TokenType.HEX_STRING, TokenType.BIT_STRING}


def _token(kind: TokenType, text: str, like: Token) -> Token:
    return Token(kind, text, line=like.line, col=like.col, start=like.start, end=like.end)


def _numbers(tokens: list[Token]) -> Iterator[Token]:
    """``0o17``, ``0b101``, ``0x1F`` and ``1_000``: sqlglot splits or misreads them."""
    skip = 0
    for i, token in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        if token.token_type in (TokenType.HEX_STRING, TokenType.BIT_STRING):
            base = 16 if token.token_type == TokenType.HEX_STRING else 2
            literal = token.end - token.start + 1
            if len(token.text) + 2 == literal:  # 0x1F has no quotes; X'1F' has two and an X
                yield _token(TokenType.NUMBER, str(int(token.text, base)), token)
                continue
        text = token.text
        if token.token_type == TokenType.NUMBER:
            while (
                i + skip + 1 < len(tokens)
                and tokens[i + skip + 1].start == tokens[i + skip].end + 1
                and tokens[i + skip + 1].token_type in (TokenType.VAR, TokenType.NUMBER)
            ):
                skip += 1
                text += tokens[i + skip].text
            if skip:
                lowered = text.lower().replace("_", "")
                if lowered[:2] in ("0o", "0b", "0x"):
                    text = str(int(lowered, 0))
                else:
                    text = lowered
                yield _token(TokenType.NUMBER, text, token)
                continue
        yield token


def _literals(tokens: Iterator[Token]) -> Iterator[Token]:
    held: Token | None = None
    for token in tokens:
        name = _LITERALS.get(held.text.upper()) if held else None
        if (
            held
            and name
            and held.token_type != TokenType.IDENTIFIER
            and token.token_type == TokenType.STRING
        ):
            yield _token(TokenType.VAR, name, held)
            yield _token(TokenType.L_PAREN, "(", held)
            yield token
            held = _token(TokenType.R_PAREN, ")", token)
            continue
        if held:
            yield held
        held = token
    if held:
        yield held


def _clauses(tokens: Iterator[Token]) -> Iterator[Token]:
    """Turn keywords at the end of arguments into arguments of their own."""
    stream = list(tokens)
    calls: list[tuple[str, int]] = []  # the calls that we are in, each with its depth
    depth = 0
    i = 0
    while i < len(stream):
        token = stream[i]
        following = stream[i + 1].token_type if i + 1 < len(stream) else None
        name = token.text.upper()
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
            if calls and calls[-1][1] > depth:
                calls.pop()
        elif following == TokenType.L_PAREN and name in _CLAUSED:
            calls.append((name, depth + 1))
            yield _token(TokenType.VAR, PREFIX + name.lower(), token)
            i += 1
            continue
        elif calls and calls[-1][1] == depth:
            before = stream[i - 1]
            at_start = before.token_type in (
                TokenType.COMMA,
                TokenType.L_PAREN,
                TokenType.COLON,
            ) or (before.text.upper() == "VALUE" and calls[-1][0] == "JSON_OBJECT")
            if calls[-1][0] == "JSON_OBJECT":
                if name == "KEY" and at_start:
                    i += 1
                    continue
                if token.token_type == TokenType.COLON or (name == "VALUE" and not at_start):
                    yield _token(TokenType.COMMA, ",", token)
                    i += 1
                    continue
            starts = name in _CLAUSE_STARTS and token.token_type != TokenType.STRING
            alone = at_start and name in ("NULL", "TRUE", "FALSE")
            value = alone and following in (TokenType.COMMA, TokenType.R_PAREN)
            leads = not at_start or name in ("RETURNING", "ABSENT")
            if starts and leads and not value:
                words, end = _words(stream, i)
                if before.token_type != TokenType.L_PAREN:
                    yield _token(TokenType.COMMA, ",", token)
                yield _token(TokenType.STRING, CLAUSE + " ".join(words), token)
                i = end
                continue
        yield token
        i += 1


def _words(stream: list[Token], start: int) -> tuple[list[str], int]:
    """The texts from ``start`` to the end of the argument, and where it ends."""
    words: list[str] = []
    depth = 0
    i = start
    passing = False
    while i < len(stream):
        token = stream[i]
        kind = token.token_type
        if depth == 0 and (kind == TokenType.R_PAREN or (kind == TokenType.COMMA and not passing)):
            break
        passing = passing or token.text.upper() == "PASSING"
        depth += (kind == TokenType.L_PAREN) - (kind == TokenType.R_PAREN)
        text = token.text
        words.append("'" + text.replace("'", "''") + "'" if kind == TokenType.STRING else text)
        i += 1
    return words, i


def _mark(tokens: list[Token], hidden: bool) -> list[Token]:
    closing = TokenType.R_PAREN
    for token in tokens:
        if token.token_type == closing:
            token.comments = [_ANONYMOUS]
    if not hidden:
        return tokens
    found = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        name = token.text.upper()
        if name in _HIDDEN and following is not None and following.token_type == TokenType.L_PAREN:
            token = _token(TokenType.VAR, PREFIX + name.lower(), token)
        found.append(token)
    return found


class _Trino(Trino):
    INDEX_OFFSET = 0  # subscripts are translated by our rule, not shifted by the parser


class MinilabAthena(Athena):
    """Athena's SQL, with calls in Trino queries as they are written."""

    INDEX_OFFSET = 0

    class Tokenizer(Athena.Tokenizer):
        def tokenize(self, sql: str) -> list[Token]:
            tokens = super().tokenize(sql)
            if tokens and tokens[0].token_type == TokenType.HIVE_TOKEN_STREAM:
                return tokens
            return keep_calls(tokens)

    def parser(self, **options: Any) -> Any:
        return self.parser_class(dialect=self, trino=_Trino(), **options)

    def parse(self, sql: str, **options: Any) -> Any:
        return [_as_written(tree) for tree in super().parse(sql, **options)]

    def parse_into(self, expression_type: Any, sql: str, **options: Any) -> Any:
        return [_as_written(tree) for tree in super().parse_into(expression_type, sql, **options)]


_WRITTEN = "as_written"


def _as_written(tree: Any) -> Any:
    """Mark subscripts that no parser has shifted: the trees of two dialects look alike."""
    if tree is not None:
        for node in tree.find_all(exp.Bracket):
            node.meta[_WRITTEN] = True
    return tree


def _is_foreign(node: exp.Expression) -> bool:
    if isinstance(node, exp.Bracket):
        return not node.meta.get(_WRITTEN)
    return not isinstance(node, _OWN_FUNCTIONS)


# Functions to sqlglot that have a grammar of their own, which our rules read as nodes.
_OWN_FUNCTIONS = (
    exp.All, exp.And, exp.Anonymous, exp.Any, exp.Array, exp.AtTimeZone, exp.Case, exp.Cast,
    exp.CurrentCatalog, exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentUser,
    exp.Exists, exp.Extract, exp.If, exp.Localtime, exp.Localtimestamp, exp.Not, exp.Or,
    exp.StrPosition, exp.Substring, exp.Trim, exp.TryCast, exp.Unnest,
)  # fmt: skip


# What tells a foreign tree: calls under another name, and calls that became operators.
_TELLING = (
    exp.Func, exp.Bracket, exp.BitwiseAnd, exp.BitwiseNot, exp.BitwiseOr, exp.BitwiseXor,
    exp.PropertyEQ, exp.JSONValue,
    exp.JSONValue,
)  # fmt: skip


def named_calls(tree: exp.Expression) -> exp.Expression:
    """The tree with every call under its Trino name.

    A tree that sqlglot's own dialect made is written as Trino and read again.
    """
    if any(_is_foreign(node) for node in tree.find_all(*_TELLING)):
        found = MinilabAthena().parse(tree.sql(dialect="trino"))[0]
        assert found is not None
        return found
    return tree
