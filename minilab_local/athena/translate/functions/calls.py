"""A function call as a rule sees it: its name, its typed arguments, and what stands around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlglot import exp

from minilab_local.athena.translate import casts
from minilab_local.athena.translate.dialect import CLAUSE, PREFIX
from minilab_local.athena.translate.errors import TranslationError, not_supported, type_mismatch
from minilab_local.athena.translate.expressions import Expressions, position
from minilab_local.athena.translate.scope import Value
from minilab_local.athena.translate.signatures import resolve, unify
from minilab_local.athena.translate.types import Type


@dataclass
class Call:
    """One call.

    ``nodes`` are its arguments as parsed, ``values`` the same translated (lambdas are None).
    ``clause`` holds the keywords at the arguments' end, in capitals where they are no text.
    """

    expressions: Expressions
    node: Any
    name: str
    nodes: list[Any]
    clause: str = ""
    distinct: bool = False
    order: exp.Order | None = None
    filter: Any = None
    nulls: str = ""
    window: exp.Window | None = None
    within: bool = False

    @classmethod
    def read(cls, expressions: Expressions, node: Any) -> Call:
        found: dict[str, Any] = {}
        inner = node
        while not isinstance(inner, exp.Anonymous):
            if isinstance(inner, exp.Window):
                found["window"] = inner
            elif isinstance(inner, exp.Filter):
                found["filter"] = inner.expression.this
            elif isinstance(inner, exp.WithinGroup):
                found["order"], found["within"] = inner.expression, True
            elif isinstance(inner, exp.IgnoreNulls):
                found["nulls"] = "IGNORE NULLS"
            elif not isinstance(inner, exp.RespectNulls):
                raise not_supported(inner.sql(dialect="trino"))
            inner = inner.this
        name = inner.name.lower().removeprefix(PREFIX)
        nodes = list(inner.expressions)
        if nodes and isinstance(nodes[-1], exp.Order):
            found["order"] = nodes[-1]
            nodes[-1] = nodes[-1].this
        if nodes and isinstance(nodes[0], exp.Distinct):
            found["distinct"] = True
            nodes = list(nodes[0].expressions) + nodes[1:]
            if nodes and isinstance(nodes[-1], exp.Order):
                found["order"] = nodes[-1]
                nodes[-1] = nodes[-1].this
        clauses = [
            n.name.removeprefix(CLAUSE)
            for n in nodes
            if isinstance(n, exp.Literal) and n.is_string and n.name.startswith(CLAUSE)
        ]
        if clauses:
            nodes = [
                n
                for n in nodes
                if not (isinstance(n, exp.Literal) and n.is_string and n.name.startswith(CLAUSE))
            ]
        return cls(expressions, inner, name, nodes, " ".join(clauses), **found)

    @property
    def decorated(self) -> bool:
        return bool(self.window or self.filter or self.within or self.nulls or self.distinct)

    @cached_property
    def values(self) -> list[Value]:
        return [
            Value("", Type("function")) if isinstance(n, exp.Lambda) else self.expressions(n)
            for n in self.nodes
        ]

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, index: int) -> Value:
        return self.values[index]

    def sql(self, index: int) -> str:
        return self.values[index].sql

    def type(self, index: int) -> Type:
        return self.values[index].type

    def count(self, *allowed: int) -> None:
        """Refuse any other number of arguments."""
        if len(self.nodes) not in allowed:
            given = ", ".join(str(v.type) for v in self.values)
            raise TranslationError(
                "FUNCTION_NOT_FOUND",
                f"{position(self.node)}: Unexpected parameters ({given}) for function {self.name}",
            )

    def wrong(self) -> TranslationError:
        """No overload takes these arguments."""
        given = ", ".join(str(v.type) for v in self.values)
        return type_mismatch(f"Unexpected parameters ({given}) for function {self.name}")

    def constant(self, index: int, what: str) -> str:
        """The text of an argument that must be a literal here."""
        value = self.values[index].constant
        if value is None:
            raise not_supported(f"{self.name} with {what} that is no literal")
        return value

    def coerced(self, index: int, to: Type) -> str:
        return casts.coerce(self.values[index], to).sql

    def lambda_(self, index: int, *parameters: Type) -> tuple[str, Value]:
        """A lambda argument: DuckDB text for its parameters, and its body."""
        names, body = self.expressions.lambda_(self.nodes[index], parameters)
        return ", ".join(names), body

    def lambda_text(self, index: int, pattern: Type, bound: dict[str, Type]) -> str:
        *parameters, result = pattern.items
        names, body = self.lambda_(index, *(resolve(p, bound) for p in parameters))
        if unify(result, body.type, bound) is None:
            raise type_mismatch(
                f"Lambda of function {self.name} must give {resolve(result, bound)}, "
                f"not {body.type}"
            )
        return f"lambda {names}: {casts.coerce(body, resolve(result, bound)).sql}"

    # --- aggregates ----------------------------------------------------------------------------

    def apply(self, function: str, *arguments: str, where: str = "") -> str:
        """The DuckDB aggregate ``function`` of these arguments, with all that stands around."""
        parts = [("DISTINCT " if self.distinct else "") + ", ".join(arguments)]
        if self.order is not None:
            queries = self.expressions.queries
            items = (queries.ordered(i, self.expressions) for i in self.order.expressions)
            parts.append("ORDER BY " + ", ".join(items))
        if self.nulls:
            parts.append(self.nulls)
        text = f"{function}({' '.join(p for p in parts if p)})"
        conditions = [self.expressions.condition(self.filter)] if self.filter is not None else []
        if where:
            conditions.append(where)
        if conditions:
            text += f" FILTER (WHERE {' AND '.join(f'({c})' for c in conditions)})"
        if self.window is not None:
            over = self.expressions.queries.over(self.window, self.expressions)
            text += f" OVER ({over})"
        return text
