"""Function calls by name.

A name is in one of four sets, and a test checks that they cover Trino's list:

- ``SIGNATURES`` (``tables``): a line that says its types and its DuckDB text;
- ``RULES``: a small Python function, for what needs thought (``dates``, ``texts``, ``documents``,
  ``collections``), each under the name that it serves;
- ``AGGREGATES`` (``aggregates``): the same for what may stand before OVER or FILTER;
- ``UNSUPPORTED``: known to Trino and not carried here, with the reason.

Any other name fails with FUNCTION_NOT_FOUND.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from minilab_local.athena.translate import casts
from minilab_local.athena.translate.errors import TranslationError, not_supported, type_mismatch
from minilab_local.athena.translate.expressions import Expressions, position

# The rules register themselves as their modules are imported.
from minilab_local.athena.translate.functions import (
    aggregates as _aggregates,  # noqa: F401
)
from minilab_local.athena.translate.functions import (
    collections as _collections,  # noqa: F401
)
from minilab_local.athena.translate.functions import (
    dates as _dates,  # noqa: F401
)
from minilab_local.athena.translate.functions import (
    documents as _documents,  # noqa: F401
)
from minilab_local.athena.translate.functions import (
    texts as _texts,  # noqa: F401
)
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import AGGREGATES, RULES
from minilab_local.athena.translate.functions.tables import SIGNATURES
from minilab_local.athena.translate.functions.unsupported import UNSUPPORTED
from minilab_local.athena.translate.scope import Value
from minilab_local.athena.translate.signatures import Signature, resolve, unify
from minilab_local.athena.translate.types import Type

__all__ = ["AGGREGATES", "RULES", "SIGNATURES", "UNSUPPORTED", "call"]


def call(expressions: Expressions, node: Any) -> Value:
    """Translate a call with all that may stand around it: FILTER, WITHIN GROUP, OVER …"""
    made = Call.read(expressions, node)
    name = made.name
    if name in AGGREGATES:
        return expressions.outside(lambda: AGGREGATES[name](made))
    if made.decorated:
        raise type_mismatch(f"Cannot use FILTER, OVER or WITHIN GROUP with function {name}")
    if name in RULES:
        return RULES[name](made)
    if name in SIGNATURES:
        return by_signature(made, SIGNATURES[name])
    if name in UNSUPPORTED:
        raise not_supported(f"function {name} ({UNSUPPORTED[name]})")
    raise TranslationError(
        "FUNCTION_NOT_FOUND", f"{position(made.node)}: Function '{name}' not registered"
    )


def by_signature(made: Call, signatures: list[Signature]) -> Value:
    """Choose the closest overload, coerce the arguments and fill its template."""
    best: tuple[int, Signature, dict[str, Type]] | None = None
    for signature in signatures:
        if not signature.matches_count(len(made.nodes)):
            continue
        bound: dict[str, Type] = {}
        distance = 0
        for i in range(len(made.nodes)):
            pattern = signature.argument(i)
            if isinstance(made.nodes[i], exp.Lambda) != (pattern.kind == "function"):
                break
            if pattern.kind == "function":
                continue
            step = unify(pattern, made.values[i].type, bound)
            if step is None:
                break
            distance += step
        else:
            if best is None or distance < best[0]:
                best = distance, signature, bound
    if best is None:
        given = ", ".join(
            "function" if isinstance(n, exp.Lambda) else str(made.values[i].type)
            for i, n in enumerate(made.nodes)
        )
        expected = ", ".join(s.text.split(" ->")[0] for s in signatures)
        raise TranslationError(
            "FUNCTION_NOT_FOUND",
            f"{position(made.node)}: Unexpected parameters ({given}) for function {made.name}. "
            f"Expected: {expected}",
        )
    _, signature, bound = best
    texts = []
    for i in range(len(made.nodes)):
        pattern = signature.argument(i)
        if pattern.kind == "function":
            texts.append(made.lambda_text(i, pattern, bound))
        else:
            texts.append(casts.coerce(made.values[i], resolve(pattern, bound)).sql)
    return Value(signature.render(texts), resolve(signature.result, bound))
