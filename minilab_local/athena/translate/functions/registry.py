"""Where rules register, by the Trino name that they serve."""

from __future__ import annotations

from collections.abc import Callable

from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.scope import Value

Rule = Callable[[Call], Value]

RULES: dict[str, Rule] = {}
AGGREGATES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """The rule of these scalar functions."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


def aggregate(*names: str) -> Callable[[Rule], Rule]:
    """The rule of these aggregate or window functions."""

    def register(function: Rule) -> Rule:
        for name in names:
            AGGREGATES[name] = function
        return function

    return register
