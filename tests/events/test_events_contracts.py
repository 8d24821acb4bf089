"""The fast road and the truth: what a compiled type accepts, the JSON Schema accepts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.events.contracts import MAX_VIOLATIONS, CompiledContract, exact_type, json_pointer
from minilab.events.registry import Contract, RegistryError, load_registry

CONTRACTS = sorted(load_registry().contracts.values(), key=lambda c: c.type)


def compiled(schema: dict[str, Any], name: str = "x.y.v1") -> CompiledContract:
    return CompiledContract(Contract(name, "x", "y", 1, {"type": "object", **schema}))


def fast_accepts(contract: CompiledContract, text: bytes) -> bool:
    assert contract.decode_fast is not None
    try:
        contract.decode_fast(text)
    except (msgspec.MsgspecError, UnicodeError):
        return False
    return True


# Values that sit on the edges of every rule that our contracts use.
EDGES = st.sampled_from(
    [
        *(
            "",
            "a",
            "A",
            "USD",
            "USD\n",
            "usd",
            "É" * 64,
            "x" * 64,
            "x" * 65,
            "😀" * 64,
            "a_1",
            "a-1",
        ),
        *("2024-02-29", "2023-02-29", "2026-01-01", "2026-1-1", "0000-01-01", "2026-13-01"),
        *("2026-01-01T00:00:00Z", "2026-01-01t00:00:00z", "2026-01-01 00:00:00Z"),
        *("2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01:00", "2026-01-01T00:00:00"),
        *("2016-12-31T23:59:60Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00.123456789Z"),
        *("2026-01-01T00:00:00Z\n", "2026-02-30T00:00:00Z", "2024-02-29T00:00:00Z"),
        *(0, 1, -1, 2, 10, 11, 1.0, 1.5, -0.0, 1e300, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63)),
        *(True, False, None, [], {}, ["a"], ["x" * 65], ["a"] * 21, {"a": 1}),
        *("free", "team", "month", "web", "password", "card_declined"),
    ]
)


def payloads(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects that often, but not always, keep the schema."""
    members = {name: EDGES | likely(sub) for name, sub in schema.get("properties", {}).items()}
    required = {n: members[n] for n in schema.get("required", []) if n in members}
    optional = {n: s for n, s in members.items() if n not in required}
    known = st.fixed_dictionaries(required, optional=optional)
    return (
        known
        | st.fixed_dictionaries({}, optional=members)
        | st.builds(lambda a, b: {**a, "unnamed": b}, known, EDGES)
        | EDGES
    )


def likely(schema: Any) -> st.SearchStrategy[Any]:
    if not isinstance(schema, dict):
        return EDGES
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "string" if schema.get("format") == "date-time":
            return st.datetimes().map(lambda d: d.isoformat() + "Z")
        case "string" if schema.get("format") == "date":
            return st.dates().map(lambda d: d.isoformat())
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        case "string":
            return st.text(max_size=70)
        case "integer":
            return st.integers(-3, 12) | st.integers()
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False) | st.integers()
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(likely(schema.get("items")), max_size=4)
        case "object":
            return payloads(schema)
        case list() as kinds:
            return st.one_of(*(likely({**schema, "type": kind}) for kind in kinds))
        case _:
            return st.none()


def check_subset(contract: CompiledContract, payload: Any) -> None:
    text = json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if fast_accepts(contract, text):
        assert contract.is_valid(msgspec.json.decode(text)), payload


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.type)
def test_every_shipped_contract_has_a_fast_road(contract: Contract) -> None:
    assert CompiledContract(contract).decode_fast is not None


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.type)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_fast_accepts_only_what_the_schema_accepts(contract: Contract, data: Any) -> None:
    check_subset(CompiledContract(contract), data.draw(payloads(dict(contract.schema))))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.type)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_fast_road_is_taken_by_ordinary_payloads(contract: Contract, data: Any) -> None:
    """A fast road that refuses everything would be a subset too."""
    schema = contract.schema
    ordinary = {name: data.draw(_ordinary(sub)) for name, sub in schema["properties"].items()}
    text = json.dumps(ordinary).encode()
    assert CompiledContract(contract).is_valid(ordinary)
    assert fast_accepts(CompiledContract(contract), text), ordinary


def _ordinary(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"], schema.get("format"), schema.get("pattern"):
        case "string", "date-time", _:
            return st.just("2026-11-22T10:11:12.123Z")
        case "string", "date", _:
            return st.just("2026-11-22")
        case "string", _, None:
            return st.text("abcé1-", min_size=1, max_size=schema.get("maxLength", 32) // 2)
        case "string", _, pattern:
            return st.from_regex(pattern, fullmatch=True).filter(lambda s: not s.endswith("\n"))
        case "integer", _, _:
            low = schema.get("minimum", 0)
            return st.integers(low, schema.get("maximum", 10**12))
        case "boolean", _, _:
            return st.booleans()
        case "array", _, _:
            return st.lists(_ordinary(schema["items"]), max_size=5)
    raise AssertionError(schema)


SCALARS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": st.integers(0, 3),
            "maxLength": st.integers(1, 64),
            "pattern": st.sampled_from(
                ["^[A-Z]{3}$", "^a+$", "^[a-z0-9_-]*$", "a|b", "^.$", r"^\d+$", "^[^a]$", "b$"]
            ),
            "format": st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "nonsense"]),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": st.sampled_from([0, 1, -1, 0.5, 2**53, 2**53 - 1]),
            "exclusiveMinimum": st.sampled_from([0, 1, 1.5]),
            "maximum": st.sampled_from([0, 10, 2**53 - 1, 2**60, 1e300]),
            "exclusiveMaximum": st.sampled_from([10, 2**53]),
            "multipleOf": st.sampled_from([2, 0.1]),
        },
    ),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["string", "null"], "maxLength": 2}),
    st.just({"type": ["integer", "string"]}),
    st.sampled_from(
        [
            {"enum": ["a", 1, None]},
            {"type": "string", "enum": ["a", ""]},
            {"type": "integer", "enum": [1, 2]},
            {"type": "integer", "enum": [1, True]},
            {"type": "string", "const": "a"},
            {"const": 1},
            {},
            True,
            {"type": "string", "not": {"const": "a"}},
        ]
    ),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={
                "minItems": st.integers(0, 2),
                "maxItems": st.integers(0, 3),
                "uniqueItems": st.booleans(),
            },
        ),
        objects(inner),
    )


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["a", "b", "class", "with space", "é", ""])
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(names, inner, max_size=4)},
        optional={
            "required": st.lists(names, unique=True, max_size=2),
            "minProperties": st.integers(0, 1),
            "patternProperties": st.just({"^a": {"type": "string"}}),
        },
    )


@given(schema=objects(st.recursive(SCALARS, _nested, max_leaves=4)), data=st.data())
@settings(max_examples=400, deadline=None)
def test_fast_accepts_only_what_a_generated_schema_accepts(schema: Any, data: Any) -> None:
    contract = compiled(schema)
    if contract.decode_fast is not None:
        check_subset(contract, data.draw(payloads(schema)))


@pytest.mark.parametrize(
    "keyword",
    [
        {"oneOf": [{"type": "string"}]},
        {"type": "string", "format": "email"},
        {"type": "string", "pattern": "^(a+)+$"},
        {"type": "string", "pattern": "USD"},
        {"type": "array"},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "integer", "multipleOf": 2},
        {"type": "integer", "minimum": 0, "exclusiveMinimum": 0},
        {"type": "number", "maximum": 2**53},
        {"$ref": "#/$defs/x"},
    ],
)
def test_what_a_type_cannot_say_exactly_has_no_fast_road(keyword: dict[str, Any]) -> None:
    assert exact_type({"type": "object", "properties": {"a": keyword}}) is None


def test_every_broken_rule_is_named_with_its_place() -> None:
    contract = CompiledContract(load_registry().contracts["billing.subscription_started.v1"])
    found = list(
        contract.violations(
            {"seats": 0, "plan": "gold", "currency": "usd", "started_at": "yesterday"}
        )
    )
    assert {(v.path, v.rule) for v in found} == {
        ("/data", "required"),
        ("/data/seats", "minimum"),
        ("/data/plan", "enum"),
        ("/data/currency", "pattern"),
        ("/data/started_at", "format"),
    }
    assert sum(v.rule == "required" for v in found) == 3


def test_violations_are_bounded_in_number_and_length() -> None:
    contract = compiled({"properties": {"a": {"items": {"type": "string", "maxLength": 5}}}})
    found = list(contract.violations({"a": ["x" * 10_000] * 1_000}))
    assert len(found) == MAX_VIOLATIONS + 1
    assert max(len(v.message) for v in found) <= 500


def test_json_pointer_escapes() -> None:
    assert json_pointer("data", "a/b", "c~d", 0) == "/data/a~1b/c~0d/0"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "strin"}}},
        {"properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {"properties": {"a": {"pattern": "["}}},
    ],
)
def test_an_unusable_schema_is_a_clear_error(schema: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match=r"x\.y\.v1\.json"):
        compiled(schema)
