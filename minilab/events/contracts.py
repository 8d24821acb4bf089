"""Contracts as code: what ``data`` of one event type must look like, checked twice over.

The truth is the JSON Schema (2020-12, with ``date`` and ``date-time`` asserted), evaluated by
jsonschema-rs; it names every rule that is broken. Where a schema uses only keywords whose meaning
a msgspec type has exactly, it is also compiled to such a type. What that type accepts, the schema
accepts; what it refuses is asked of the schema. So it decides nothing, it only saves time.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import jsonschema_rs
import msgspec
from msgspec import Meta

from minilab.events.failures import Violation
from minilab.events.registry import Contract, RegistryError

MAX_VIOLATIONS = 200
"""Rules named per event; an array of ten thousand bad items is told in fewer words."""
_MAX_MESSAGE = 500

_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples"}
    | {"deprecated", "readOnly", "writeOnly"}
)
_EXACT_INTEGERS = 2**53 - 1

# RFC 3339 date-times that every parser reads alike: upper case, no leap second, no February 29, no
# more than microseconds. A subset on purpose: what it refuses is asked of the schema.
_DAY = (
    r"[12]\d{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_ZONE = r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_PLAIN_DATE_TIME = rf"^{_DAY}T{_CLOCK}(?:\.\d{{1,6}})?{_ZONE}\Z"

# Patterns that Python's `re` and ECMA-262 read alike: anchored, ASCII, literals and plain classes.
_CLASS = r"\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_])+-?\]"
_PLAIN_PATTERN = re.compile(
    rf"\^(?:(?:[A-Za-z0-9_/ @:-]|{_CLASS})(?:\{{\d{{1,3}}(?:,(?:\d{{1,3}})?)?\}}|[*+?])?)+\$"
)


class CompiledContract:
    """One contract, ready to check payloads."""

    def __init__(self, contract: Contract) -> None:
        """Raises RegistryError where the schema is not a usable JSON Schema."""
        try:
            self._schema = jsonschema_rs.Draft202012Validator(
                dict(contract.schema), validate_formats=True, offline=True
            )
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise RegistryError(
                f"contracts/{contract.type}.json is not a JSON Schema (2020-12): "
                f"{str(error).splitlines()[0]}"
            ) from error
        self.type = contract.type
        self.stream = contract.stream
        exact = exact_type(contract.schema)
        self.decode_fast: Callable[[Any], dict[str, Any]] | None = (
            None if exact is None else msgspec.json.Decoder(exact).decode
        )
        """Decodes ``data`` to a dict of its known members, or raises: then ask ``violations``.
        None where the schema says more than a type can."""
        self.count_members: Callable[[Any], int] = (
            len if _is_flat(contract.schema) else count_members
        )
        """How many members a payload decoded so has, those of objects within it too."""

    def violations(self, payload: Any) -> Iterator[Violation]:
        """Every rule that a decoded payload breaks, with JSON Pointers below ``/data``."""
        for count, error in enumerate(self._schema.iter_errors(payload)):
            if count == MAX_VIOLATIONS:
                yield Violation("/data", "…", f"More than {MAX_VIOLATIONS} rules are broken.")
                return
            yield Violation(
                json_pointer("data", *error.instance_path), error.kind.name, _shorten(error.message)
            )

    def is_valid(self, payload: Any) -> bool:
        return bool(self._schema.is_valid(payload))


def json_pointer(*parts: str | int) -> str:
    """RFC 6901: ``("data", "a/b", 0)`` is ``/data/a~1b/0``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def count_members(value: Any) -> int:
    """Members of all objects in a decoded value. (As deep as its schema, so it may recurse.)"""
    if isinstance(value, dict):
        return len(value) + sum(map(count_members, value.values()))
    return sum(map(count_members, value)) if isinstance(value, list) else 0


def _is_flat(schema: Mapping[str, Any]) -> bool:
    """Whether no object can stand inside an object of this schema (as far as types say it)."""
    properties = schema.get("properties", {})
    return '"object"' not in json.dumps(properties)


def _shorten(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"


class _NotExact(Exception):
    """The schema has a keyword that no msgspec type means exactly."""


def exact_type(schema: Mapping[str, Any]) -> Any | None:
    """A msgspec type that accepts only what ``schema`` accepts (and most of it), or None.

    JSON objects become ``TypedDict``s, so that the number of members decoded is known.
    """
    try:
        return _type_of(schema)
    except _NotExact:
        return None


def _type_of(schema: Any) -> Any:
    if not isinstance(schema, dict):
        raise _NotExact
    keywords = {k: v for k, v in schema.items() if k not in _ANNOTATIONS}
    kind = keywords.pop("type", None)
    if isinstance(kind, list):
        if len(kind) == 2 and "null" in kind and "enum" not in keywords and "const" not in keywords:
            other = next((k for k in kind if k != "null"), None)
            return _type_of({**keywords, "type": other}) | None
        raise _NotExact
    builder = _BUILDERS.get(kind) if isinstance(kind, str) else None
    if builder is None:
        raise _NotExact
    built = builder(keywords)
    if keywords:  # builders take what they understand; what remains is beyond a type
        raise _NotExact
    return built


def _object(keywords: dict[str, Any]) -> Any:
    properties = keywords.pop("properties", {})
    required = keywords.pop("required", [])
    # Members that the schema does not name are seen by their number, see `validation`.
    additional = keywords.pop("additionalProperties", True)
    if not isinstance(properties, dict) or not isinstance(additional, bool):
        raise _NotExact
    if not set(required) <= properties.keys():
        raise _NotExact
    fields = {
        name: Required[_type_of(sub)] if name in required else NotRequired[_type_of(sub)]
        for name, sub in properties.items()
    }
    return TypedDict("Payload", fields)  # type: ignore[operator]


def _string(keywords: dict[str, Any]) -> Any:
    if (choices := _choices(keywords, str)) is not None:
        return choices
    match keywords.pop("format", None):
        case None:
            pattern = keywords.pop("pattern", None)
            if pattern is not None:
                if not _PLAIN_PATTERN.fullmatch(pattern):
                    raise _NotExact
                pattern = pattern[:-1] + r"\Z"
        case "date":
            # Its text is ten characters long, whatever its day.
            return datetime.date
        case "date-time":
            pattern = _PLAIN_DATE_TIME
        case _:
            raise _NotExact
    limits = {
        "min_length": _natural(keywords, "minLength"),
        "max_length": _natural(keywords, "maxLength"),
        "pattern": pattern,
    }
    return _constrained(str, limits)


def _integer(keywords: dict[str, Any]) -> Any:
    if (choices := _choices(keywords, int)) is not None:
        return choices
    return _constrained(int, _bounds(keywords, int))


def _number(keywords: dict[str, Any]) -> Any:
    return _constrained(float, _bounds(keywords, int | float))


def _boolean(keywords: dict[str, Any]) -> Any:
    return bool


def _array(keywords: dict[str, Any]) -> Any:
    if "items" not in keywords:
        raise _NotExact
    limits = {
        "min_length": _natural(keywords, "minItems"),
        "max_length": _natural(keywords, "maxItems"),
    }
    return _constrained(list[_type_of(keywords.pop("items"))], limits)  # type: ignore[misc]


_BUILDERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "object": _object,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
}


def _choices(keywords: dict[str, Any], kind: type) -> Any | None:
    if "enum" not in keywords and "const" not in keywords:
        return None
    if len(keywords) > 1:
        raise _NotExact
    values = keywords.pop("enum") if "enum" in keywords else [keywords.pop("const")]
    if not isinstance(values, list) or not values or any(type(v) is not kind for v in values):
        raise _NotExact
    if kind is int and any(abs(v) > _EXACT_INTEGERS for v in values):
        raise _NotExact
    return Literal[tuple(dict.fromkeys(values))]


def _natural(keywords: dict[str, Any], name: str) -> int | None:
    value = keywords.pop(name, None)
    if value is not None and (type(value) is not int or not 0 <= value <= _EXACT_INTEGERS):
        raise _NotExact
    return value


def _bounds(keywords: dict[str, Any], kind: Any) -> dict[str, Any]:
    names = {
        "minimum": "ge",
        "exclusiveMinimum": "gt",
        "maximum": "le",
        "exclusiveMaximum": "lt",
    }
    bounds = {ours: keywords.pop(theirs) for theirs, ours in names.items() if theirs in keywords}
    if {"ge", "gt"} <= bounds.keys() or {"le", "lt"} <= bounds.keys():
        raise _NotExact  # a msgspec type has one bound on each side
    for value in bounds.values():
        if isinstance(value, bool) or not isinstance(value, kind) or abs(value) > _EXACT_INTEGERS:
            raise _NotExact
    return bounds


def _constrained(base: Any, limits: Mapping[str, Any]) -> Any:
    given = {name: value for name, value in limits.items() if value is not None}
    return Annotated[base, Meta(**given)] if given else base
