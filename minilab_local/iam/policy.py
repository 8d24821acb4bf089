"""Whether a role's policies allow an action on a resource (IAM User Guide, "Policy evaluation
logic": a Deny wins; without an Allow it is denied).

moto has an evaluator too (``moto.iam.access_control``), but takes a condition that it cannot judge
for a denial, of an Allow and a Deny alike, and knows no ``?`` and no ``NotResource``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""What a request says about itself, by condition key in lower case (``aws:principalarn``)."""


class Decision(Enum):
    ALLOWED = "allowed"
    NOT_ALLOWED = "because no identity-based policy allows the {action} action"
    DENIED = "with an explicit deny in an identity-based policy"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, ready to be asked."""

    allows: bool
    action: Callable[[str], bool]
    resource: Callable[[str], bool]
    conditions: Sequence[Callable[[Context], bool]]

    def holds(self, action: str, resource: str, context: Context) -> bool:
        return (
            self.action(action)
            and self.resource(resource)
            and all(condition(context) for condition in self.conditions)
        )


class Policies:
    """All policies of one identity."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self._statements = [
            _statement(statement)
            for document in documents
            for statement in listed(document["Statement"])
        ]

    def decide(self, action: str, resource: str, context: Context) -> Decision:
        """``resource`` is an ARN, or ``*`` for an action that is done to nothing in particular."""
        lowered = action.lower()
        decision = Decision.NOT_ALLOWED
        for statement in self._statements:
            if statement.holds(lowered, resource, context):
                if not statement.allows:
                    return Decision.DENIED
                decision = Decision.ALLOWED
        return decision


def listed(value: Any) -> list[Any]:
    """An element of a policy, which may be one thing or a list of them."""
    return value if isinstance(value, list) else [value]


def _statement(statement: Mapping[str, Any]) -> Statement:
    return Statement(
        allows=statement["Effect"] == "Allow",
        action=_element(statement, "Action", str.lower),
        resource=_element(statement, "Resource", str),
        conditions=[
            _condition(operator, key, [str(value) for value in listed(values)])
            for operator, asked in statement.get("Condition", {}).items()
            for key, values in asked.items()
        ],
    )


def _element(
    statement: Mapping[str, Any], name: str, spelled: Callable[[str], str]
) -> Callable[[str], bool]:
    """``Action`` or ``NotAction``, ``Resource`` or ``NotResource``."""
    inverted = f"Not{name}" in statement
    patterns = [spelled(p) for p in listed(statement[f"Not{name}" if inverted else name])]
    exact = frozenset(p for p in patterns if not re.search(r"[*?]", p))
    wild = [_pattern(p) for p in patterns if p not in exact]

    def matches(value: str) -> bool:
        return (value in exact or any(p.fullmatch(value) for p in wild)) != inverted

    return matches


def _pattern(glob: str) -> re.Pattern[str]:
    escaped = re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)


# Conditions: IAM User Guide, "IAM JSON policy elements: Condition operators". A key that the
# request does not have makes a condition false, save for the negated ones and ``…IfExists``.


def _like(value: str, wanted: str) -> bool:
    return _pattern(wanted).fullmatch(value) is not None


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def _condition(operator: str, key: str, wanted: Sequence[str]) -> Callable[[Context], bool]:
    """Raises:
    NotImplementedError: an operator that is not known here.
    """
    key = key.lower()
    if operator == "Null":
        return lambda context: (key not in context) == (wanted[0].lower() == "true")
    quantifier, _, plain = operator.rpartition(":")
    name = plain.removesuffix("IfExists")
    negated = name in _NEGATED
    if (compare := _OPERATORS.get(_NEGATED.get(name, name))) is None:
        raise NotImplementedError(f"The condition operator {operator} is not known here")
    if_missing = negated or plain != name or quantifier == "ForAllValues"

    def holds(context: Context) -> bool:
        if key not in context:
            return if_missing
        found = context[key]
        values = [found] if isinstance(found, str) else found
        matches = [any(compare(value, each) for each in wanted) != negated for value in values]
        return all(matches) if quantifier == "ForAllValues" else any(matches)

    return holds
