"""SQL/JSON path expressions, for json_query, json_value and json_exists.

A path is parsed once into a function from a document to the sequence of what it finds. ``lax``
(array accessors wrap what is no array, member accessors look into arrays, what is missing is no
error) and ``strict`` differ where the standard says so.

Source: Trino documentation, "JSON functions and operators", section "JSON path language".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from minilab_local.athena.translate.render import java_double

Items = list[Any]
Step = Callable[[Items, Any], Items]  # (the sequence so far, the item that @ means) → sequence


class PathError(Exception):
    """The path does not fit the document (strict mode, or a method of a wrong type)."""


class PathSyntaxError(Exception):
    """The text is no path that we can read."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"""
    r"""|(?P<sign>\.\.|==|!=|<>|<=|>=|&&|\|\||[$@.?()\[\]*,<>!+\-/%]))"""
)


@lru_cache(maxsize=512)
def compile_path(text: str) -> Callable[[Any], Items]:
    """A function that evaluates the path over a document. Raises ``PathSyntaxError``."""
    parser = _Parser(text)
    evaluate = parser.path()
    if parser.tokens:
        raise PathSyntaxError(text)
    return lambda document: evaluate([document], None)


class Written(Decimal):
    """A number of the document, exact, that remembers how it was written (``-2e3``)."""

    text: str

    def __new__(cls, text: str) -> Written:
        found = super().__new__(cls, text)
        found.text = text
        return found


def load(text: str) -> Any:
    """A JSON document with exact numbers. Raises ValueError for what is none."""
    return json.loads(text, parse_float=Written)


def dump(value: Any) -> str:
    """The document without spaces, numbers as they were written where that can be told."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump(k)}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    if isinstance(value, Decimal):
        return value.text if isinstance(value, Written) else str(value)
    if isinstance(value, float):
        return java_double(value)
    return json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        found = re.match(r"\s*(lax|strict)\b", text)
        if not found:
            raise PathSyntaxError(text)
        self.lax = found[1] == "lax"
        self.tokens = list(self.read(text[found.end() :]))[::-1]

    def read(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found or found.lastgroup is None:
                raise PathSyntaxError(self.text)
            yield found.lastgroup, found[found.lastgroup]
            at = found.end()

    def peek(self, *texts: str) -> bool:
        return bool(self.tokens) and self.tokens[-1][0] != "string" and self.tokens[-1][1] in texts

    def take(self, *texts: str) -> bool:
        if not self.peek(*texts):
            return False
        self.tokens.pop()
        return True

    def need(self, text: str) -> None:
        if not self.take(text):
            raise PathSyntaxError(self.text)

    # --- values ----------------------------------------------------------------------------------

    def path(self) -> Step:
        left = self.term()
        while self.peek("+", "-"):
            left = self.arithmetic(self.tokens.pop()[1], left, self.term())
        return left

    def term(self) -> Step:
        left = self.unary()
        while self.peek("*", "/", "%"):
            left = self.arithmetic(self.tokens.pop()[1], left, self.unary())
        return left

    def arithmetic(self, sign: str, left: Step, right: Step) -> Step:
        def step(items: Items, current: Any) -> Items:
            (a,), (b,) = self.one(left(items, current)), self.one(right(items, current))
            if not (_is_number(a) and _is_number(b)):
                raise PathError("arithmetic of what is no number")
            if sign in "/%" and not b:
                raise PathError("division by zero")
            return [
                {"+": a + b, "-": a - b, "*": a * b}[sign] if sign in "+-*" else _divide(sign, a, b)
            ]

        return step

    def one(self, items: Items) -> Items:
        items = self.unwrapped(items)
        if len(items) != 1:
            raise PathError("one value is needed")
        return items

    def unary(self) -> Step:
        if self.take("-"):
            inner = self.unary()

            def negate(items: Items, current: Any) -> Items:
                found = self.unwrapped(inner(items, current))
                if not all(map(_is_number, found)):
                    raise PathError("minus of what is no number")
                return [-v for v in found]

            return negate
        if self.take("+"):
            return self.unary()
        return self.accessors(self.primary())

    def primary(self) -> Step:
        if not self.tokens:
            raise PathSyntaxError(self.text)
        kind, text = self.tokens.pop()
        if kind == "string":
            value = json.loads(text)
            return lambda items, current: [value]
        if kind == "number":
            number: Any = int(text) if text.isdigit() else Decimal(text)
            return lambda items, current: [number]
        if text in ("true", "false", "null"):
            value = {"true": True, "false": False, "null": None}[text]
            return lambda items, current: [value]
        if text == "$":
            if self.tokens and self.tokens[-1][0] == "name":
                raise PathSyntaxError(self.text)  # a passed value
            return lambda items, current: items[:1] if current is None else current.root
        if text == "@":
            return lambda items, current: [current.value]
        if text == "(":
            inner = self.path()
            self.need(")")
            return inner
        raise PathSyntaxError(self.text)

    # --- accessors -------------------------------------------------------------------------------

    def accessors(self, base: Step) -> Step:
        steps: list[Callable[[Items, Any, Items], Items]] = []
        while True:
            if self.take(".."):
                name = self.member_name()
                steps.append(lambda items, current, root, n=name: _descend(items, n))
            elif self.take("."):
                if self.take("*"):
                    steps.append(lambda items, current, root: self.members(items, None))
                    continue
                name = self.member_name()
                if self.take("("):
                    self.need(")")
                    steps.append(lambda items, current, root, n=name: self.method(items, n))
                else:
                    steps.append(lambda items, current, root, n=name: self.members(items, n))
            elif self.take("["):
                steps.append(self.subscripts())
            elif self.take("?"):
                self.need("(")
                predicate = self.disjunction()
                self.need(")")
                steps.append(
                    lambda items, current, root, p=predicate: [
                        v for v in self.unwrapped(items) if p(_At(v, root)) is True
                    ]
                )
            else:
                break
        if not steps:
            return base

        def run(items: Items, current: Any) -> Items:
            root = items[:1] if current is None else current.root
            found = base(items, current)
            for step in steps:
                found = step(found, current, root)
            return found

        return run

    def member_name(self) -> str:
        if not self.tokens or self.tokens[-1][0] not in ("name", "string"):
            raise PathSyntaxError(self.text)
        kind, text = self.tokens.pop()
        return json.loads(text) if kind == "string" else text

    def unwrapped(self, items: Items) -> Items:
        if not self.lax:
            return items
        found: Items = []
        for item in items:
            found.extend(item) if isinstance(item, list) else found.append(item)
        return found

    def members(self, items: Items, name: str | None) -> Items:
        found: Items = []
        for item in self.unwrapped(items):
            if not isinstance(item, dict):
                if not self.lax:
                    raise PathError("member of what is no object")
            elif name is None:
                found.extend(item.values())
            elif name in item:
                found.append(item[name])
            elif not self.lax:
                raise PathError(f"no member {name}")
        return found

    def subscripts(self) -> Callable[[Items, Any, Items], Items]:
        if self.take("*"):
            self.need("]")
            return lambda items, current, root: [v for a in items for v in self.array(a)]
        ranges = [self.range()]
        while self.take(","):
            ranges.append(self.range())
        self.need("]")

        def step(items: Items, current: Any, root: Items) -> Items:
            found: Items = []
            for item in items:
                values = self.array(item)
                for start, end in ranges:
                    low, high = start(len(values)), (end or start)(len(values))
                    if not self.lax and not (0 <= low <= high < len(values)):
                        raise PathError("subscript out of bounds")
                    found.extend(values[max(0, low) : high + 1])
            return found

        return step

    def array(self, item: Any) -> Items:
        if isinstance(item, list):
            return item
        if not self.lax:
            raise PathError("subscript of what is no array")
        return [item]

    def range(self) -> tuple[Callable[[int], int], Callable[[int], int] | None]:
        start = self.index()
        return start, self.index() if self.take("to") else None

    def index(self) -> Callable[[int], int]:
        if self.take("last"):
            if self.take("-"):
                back = self.integer()
                return lambda size: size - 1 - back
            return lambda size: size - 1
        fixed = self.integer()
        return lambda size: fixed

    def integer(self) -> int:
        if not self.tokens or self.tokens[-1][0] != "number" or not self.tokens[-1][1].isdigit():
            raise PathSyntaxError(self.text)
        return int(self.tokens.pop()[1])

    def method(self, items: Items, name: str) -> Items:
        if name == "size":
            if not self.lax and not all(isinstance(v, list) for v in items):
                raise PathError("size() of what is no array")
            return [len(v) if isinstance(v, list) else 1 for v in items]
        found = self.unwrapped(items)
        if name == "keyvalue":
            if not all(isinstance(v, dict) for v in found):
                raise PathError("keyvalue() of what is no object")
            return [
                {"name": k, "value": v, "id": i}
                for i, item in enumerate(found)
                for k, v in item.items()
            ]
        if name == "double":
            return [_double(v) for v in found]
        if name not in ("abs", "ceiling", "floor"):
            raise PathSyntaxError(self.text)
        if not all(map(_is_number, found)):
            raise PathError(f"{name}() of what is no number")
        return [_rounded(name, v) for v in found]

    # --- predicates: True, False, or None for unknown ---------------------------------------------

    def disjunction(self) -> Callable[[_At], bool | None]:
        left = self.conjunction()
        while self.take("||"):
            left = _any(left, self.conjunction())
        return left

    def conjunction(self) -> Callable[[_At], bool | None]:
        left = self.negation()
        while self.take("&&"):
            left = _all(left, self.negation())
        return left

    def negation(self) -> Callable[[_At], bool | None]:
        if self.take("!"):
            inner = self.negation()
            return lambda at: None if inner(at) is None else not inner(at)
        if self.take("exists"):
            self.need("(")
            path = self.path()
            self.need(")")
            return lambda at: self.exists(path, at)
        if self.peek("("):
            saved = list(self.tokens)
            try:
                self.take("(")
                inner = self.disjunction()
                self.need(")")
                if self.take("is"):
                    self.need("unknown")
                    return lambda at: inner(at) is None
                return inner
            except PathSyntaxError:
                self.tokens = saved
        return self.comparison()

    def exists(self, path: Step, at: _At) -> bool | None:
        try:
            return bool(path([at.value], at))
        except PathError:
            return None

    def comparison(self) -> Callable[[_At], bool | None]:
        left = self.path()
        if self.take("starts"):
            self.need("with")
            right = self.path()
            return self.compared(left, right, lambda a, b: isinstance(a, str) and a.startswith(b))
        if not self.tokens or self.tokens[-1][1] not in _COMPARE:
            raise PathSyntaxError(self.text)
        sign = self.tokens.pop()[1]
        return self.compared(left, self.path(), lambda a, b: _compare(sign, a, b))

    def compared(
        self, left: Step, right: Step, test: Callable[[Any, Any], bool | None]
    ) -> Callable[[_At], bool | None]:
        def predicate(at: _At) -> bool | None:
            try:
                a = self.unwrapped(left([at.value], at))
                b = self.unwrapped(right([at.value], at))
            except PathError:
                return None
            found = [test(x, y) for x in a for y in b]
            if True in found:
                return True
            return None if None in found else False

        return predicate


class _At:
    """The item that ``@`` means in a filter, and the document that ``$`` means."""

    def __init__(self, value: Any, root: Items) -> None:
        self.value = value
        self.root = root


def _any(a: Callable[[_At], bool | None], b: Callable[[_At], bool | None]) -> Any:
    def both(at: _At) -> bool | None:
        found = (a(at), b(at))
        return True if True in found else None if None in found else False

    return both


def _all(a: Callable[[_At], bool | None], b: Callable[[_At], bool | None]) -> Any:
    def both(at: _At) -> bool | None:
        found = (a(at), b(at))
        return False if False in found else None if None in found else True

    return both


_COMPARE = ("==", "!=", "<>", "<", "<=", ">", ">=")


def _compare(sign: str, a: Any, b: Any) -> bool | None:
    """Null equals null alone; values of different types do not compare."""
    if a is None or b is None:
        equal = a is None and b is None
        if sign in ("==", "<=", ">="):
            return equal
        return (not equal) if sign in ("!=", "<>") else False
    alike = (_is_number(a) and _is_number(b)) or (type(a) is type(b) and isinstance(a, (str, bool)))
    if not alike:
        return None
    return {
        "==": a == b,
        "!=": a != b,
        "<>": a != b,
        "<": a < b,
        "<=": a <= b,
        ">": a > b,
        ">=": a >= b,
    }[sign]


def _descend(items: Items, name: str) -> Items:
    found: Items = []
    for item in items:
        if isinstance(item, dict):
            if name in item:
                found.append(item[name])
            found.extend(_descend([v for v in item.values() if isinstance(v, (dict, list))], name))
        elif isinstance(item, list):
            found.extend(_descend(item, name))
    return found


def _divide(sign: str, a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return quotient if sign == "/" else a - b * quotient
    return Decimal(a) / Decimal(b) if sign == "/" else math.fmod(a, b)


def _double(value: Any) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
            raise ValueError
        return float(value)
    except ValueError:
        raise PathError("double() of what is no number") from None


def _rounded(name: str, value: Any) -> Any:
    if name == "abs":
        return abs(value)
    if isinstance(value, int):
        return value
    whole = math.ceil(value) if name == "ceiling" else math.floor(value)
    return Decimal(whole).quantize(Decimal("1.0")) if isinstance(value, Decimal) else float(whole)


# --- the functions of SQL ---------------------------------------------------------------------


def find(text: str, path: str) -> tuple[str, Items]:
    """``("found", items)`` or ``("error", [])``."""
    try:
        return "found", compile_path(path)(load(text))
    except (PathError, ValueError, RecursionError):
        return "error", []


def exists(text: str, path: str) -> str:
    status, items = find(text, path)
    return "error" if status == "error" else "true" if items else "false"


def scalar(text: str, path: str) -> dict[str, str | None]:
    """json_value's answer: its status (value, empty, error) and the value's text."""
    status, items = find(text, path)
    if status == "error" or len(items) > 1 or (items and isinstance(items[0], (dict, list))):
        return {"status": "error", "text": None}
    if not items:
        return {"status": "empty", "text": None}
    value = items[0]
    if value is None:
        return {"status": "value", "text": None}
    return {"status": "value", "text": value if isinstance(value, str) else dump(value)}


def query(text: str, path: str, wrapper: str, omit_quotes: bool) -> dict[str, str | None]:
    """json_query's answer. ``wrapper``: without, conditional, unconditional."""
    status, items = find(text, path)
    if status == "error":
        return {"status": "error", "text": None}
    if not items:
        return {"status": "empty", "text": None}
    single = len(items) == 1
    if wrapper == "unconditional" or (
        wrapper == "conditional" and not (single and isinstance(items[0], (dict, list)))
    ):
        return {"status": "value", "text": dump(items)}
    if not single:
        return {"status": "error", "text": None}
    if omit_quotes and isinstance(items[0], str):
        return {"status": "value", "text": items[0]}
    return {"status": "value", "text": dump(items[0])}
