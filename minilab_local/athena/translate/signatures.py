"""Functions as a table: one line gives a function's Trino signature and its DuckDB text.

    levenshtein_distance(varchar, varchar) -> bigint = levenshtein
    strpos(varchar, varchar) -> bigint = instr({0}, {1})
    filter(array(T), function(T, boolean)) -> array(T) = list_filter

Without ``=`` the function has the same name in DuckDB; a single word renames it; anything else is a
template of its arguments (``{0}``, ``{1}`` … and ``{*}`` for all). One capital letter is a type
variable: ``N`` takes numbers, ``O`` values with an order, any other takes anything. ``...`` after
the last argument repeats it. Several lines of one name are overloads; the closest one wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from minilab_local.athena.translate.types import (
    Type,
    _Reader,
    common_type,
    parse_type,
)


class _SignatureReader(_Reader):
    def one(self) -> Type:
        token = self.tokens[-1] if self.tokens else ""
        if re.fullmatch(r"[A-Z]", token):
            self.take()
            return Type("variable", names=(token,))
        if token == "function":
            self.take()
            return Type("function", items=tuple(self.inside()))
        return super().one()


@dataclass(frozen=True)
class Signature:
    name: str
    arguments: tuple[Type, ...]
    result: Type
    template: str
    variadic: bool
    text: str

    def matches_count(self, count: int) -> bool:
        if self.variadic:
            return count >= len(self.arguments) - 1
        return count == len(self.arguments)

    def argument(self, index: int) -> Type:
        return self.arguments[min(index, len(self.arguments) - 1)]

    def render(self, arguments: list[str]) -> str:
        joined = ", ".join(arguments)
        if re.fullmatch(r"\w+", self.template):
            return f"{self.template}({joined})"
        return self.template.replace("{*}", joined).format(*arguments)


def parse_table(table: str) -> dict[str, list[Signature]]:
    """Read a table of signatures, by name."""
    found: dict[str, list[Signature]] = {}
    for line in table.strip().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        head, _, result = line.partition("->")
        name, _, inner = head.strip().partition("(")
        inner = inner.strip().removesuffix(")")
        variadic = inner.endswith("...")
        inner = inner.removesuffix("...")
        result, _, template = result.partition(" = ")
        arguments = _SignatureReader(f"row({inner})", 3).type().items if inner else ()
        signature = Signature(
            name,
            arguments,
            _SignatureReader(result.strip(), 3).type(),
            template.strip() or name,
            variadic,
            line.partition(" = ")[0],
        )
        found.setdefault(name, []).append(signature)
    return found


# --- matching ----------------------------------------------------------------------------------

_WIDER = {
    "tinyint": ("smallint", "integer", "bigint", "decimal", "real", "double"),
    "smallint": ("integer", "bigint", "decimal", "real", "double"),
    "integer": ("bigint", "decimal", "real", "double"),
    "bigint": ("decimal", "real", "double"),
    "decimal": ("real", "double"),
    "real": ("double",),
    "date": ("timestamp", "timestamptz"),
    "timestamp": ("timestamptz",),
    "time": ("timetz",),
    "char": ("varchar",),
}


def coercion(source: Type, target: Type) -> int | None:
    """How far a type is from one that Trino turns it into by itself; None where it does not."""
    if source.kind == "any" or target.kind == "any":
        return 1
    if source.kind == target.kind:
        if source.kind == "variable" or not target.items:
            return 0
        if len(source.items) != len(target.items):
            return None
        steps = [coercion(a, b) for a, b in zip(source.items, target.items, strict=True)]
        return None if None in steps else sum(s for s in steps if s)
    if source.kind == "unknown":
        return 1
    wider = _WIDER.get(source.kind, ())
    return wider.index(target.kind) + 1 if target.kind in wider else None


_ORDERED_NOT = ("map", "json")


def unify(pattern: Type, actual: Type, bound: dict[str, Type]) -> int | None:
    """Match an argument's type with a signature's, binding type variables; the distance."""
    if pattern.kind == "variable":
        name = pattern.names[0]
        assert name
        if name == "N" and not (actual.is_numeric or actual.kind in ("any", "unknown")):
            return None
        if name == "O" and actual.kind in _ORDERED_NOT:
            return None
        known = bound.get(name)
        both = actual if known is None else common_type(known, actual)
        if both is None:
            return None
        bound[name] = both
        return 0
    if actual.kind == "any":
        for inner in pattern.items:
            unify(inner, actual, bound)
        return 1
    if actual.kind == "unknown":
        for inner in pattern.items:
            unify(inner, actual, bound)
        return 1
    if not pattern.items:
        return coercion(actual, pattern)
    if pattern.kind != actual.kind or len(pattern.items) != len(actual.items):
        return None
    total = 0
    for inner, given in zip(pattern.items, actual.items, strict=True):
        step = unify(inner, given, bound)
        if step is None:
            return None
        total += step
    return total


def resolve(pattern: Type, bound: dict[str, Type]) -> Type:
    """A signature's type with its variables replaced."""
    if pattern.kind == "variable":
        return bound.get(pattern.names[0] or "", parse_type("unknown"))
    if not pattern.items:
        return pattern
    return Type(
        pattern.kind, items=tuple(resolve(i, bound) for i in pattern.items), names=pattern.names
    )
