"""What follows from a contract: the type map, the models, the YAML, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from minilab.codegen.columns import ColumnError, columns_of
from minilab.codegen.lint import lint
from minilab.codegen.staging import STAGING_FOLDER, model_name, render_staging
from minilab.codegen.sync import render
from minilab.events.registry import Contract, Registry, Stream, load_registry

PRODUCT = Stream("product", "kafka", "team:events", "required", "What people do.", 4)


def contract(properties: dict[str, Any], major: int = 1, **schema: Any) -> Contract:
    described = {
        name: {"description": f"About {name}.", **value} if isinstance(value, dict) else value
        for name, value in properties.items()
    }
    return Contract(
        type=f"product.thing_done.v{major}",
        stream="product",
        name="thing_done",
        major=major,
        schema={
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "description": "A thing was done.",
            "type": "object",
            "properties": described,
            **schema,
        },
    )


def registry(*contracts: Contract, stream: Stream = PRODUCT) -> Registry:
    return Registry({stream.name: stream}, {c.type: c for c in contracts})


@pytest.mark.parametrize(
    ("schema", "data_type"),
    [
        ({"type": "string"}, "varchar"),
        ({"type": "integer"}, "bigint"),
        ({"type": "number"}, "double"),
        ({"type": ["integer", "number"]}, "double"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "string", "format": "date-time"}, "timestamp(6)"),
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "string", "format": "uuid"}, "varchar"),
        ({"type": "array"}, "varchar"),
        ({"type": "object"}, "varchar"),
        ({"type": ["string", "null"]}, "varchar"),
        ({"enum": ["a", "b"]}, "varchar"),
        ({"const": "a"}, "varchar"),
    ],
)
def test_type_map(schema: dict[str, Any], data_type: str) -> None:
    (column,) = columns_of(contract({"value": schema}))
    assert column.data_type == data_type


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"camelCase": {"type": "string"}}, "'camelCase' cannot be a column's name"),
        ({'x" from y --': {"type": "string"}}, "cannot be a column's name"),
        ({"value": {}}, "states no type"),
        ({"value": {"type": ["string", "integer"]}}, "may be integer or string"),
        ({"value": {"type": "null"}}, "null only"),
        ({"value": {"enum": [1, 2]}}, "states no type"),
    ],
)
def test_what_cannot_be_a_column_is_said(properties: dict[str, Any], said: str) -> None:
    with pytest.raises(ColumnError, match=said):
        columns_of(contract(properties))


def test_a_property_named_like_an_envelope_column_gets_a_prefix() -> None:
    column, other = columns_of(contract({"tenant": {"type": "string"}, "x": {"type": "string"}}))
    assert (column.name, column.key, other.name) == ("data_tenant", "tenant", "x")
    with pytest.raises(ColumnError, match="data_tenant"):
        columns_of(contract({"tenant": {"type": "string"}, "data_tenant": {"type": "string"}}))


def test_required_and_nullable() -> None:
    made = contract(
        {"a": {"type": "string"}, "b": {"type": ["string", "null"]}, "c": {"type": "string"}},
        required=["a", "b"],
    )
    assert [c.required for c in columns_of(made)] == [True, False, False]


def test_a_model_selects_each_column_by_its_macro_and_filters_by_type() -> None:
    made = contract(
        {
            "amount": {"type": "integer"},
            "paid_at": {"type": "string", "format": "date-time"},
            "tags": {"type": "array"},
        }
    )
    files = render_staging(registry(made))
    sql = files[f"{STAGING_FOLDER}/stg_product__thing_done_v1.sql"]
    assert "{{ payload_bigint('amount') }} as \"amount\"" in sql
    assert "{{ payload_timestamp('paid_at') }} as \"paid_at\"" in sql
    assert "{{ payload_json('tags') }} as \"tags\"" in sql
    assert "from {{ ref('stg_events') }}\nwhere stream = 'product'\n" in sql
    assert "event_type = 'product.thing_done.v1'" in sql


def test_the_yaml_describes_and_tests_what_the_contract_says() -> None:
    made = contract(
        {"plan": {"type": "string", "enum": ["free", "team"]}, "note": {"type": "string"}},
        required=["plan"],
    )
    document = yaml.safe_load(render_staging(registry(made))[f"{STAGING_FOLDER}/_generated.yml"])
    (model,) = document["models"]
    assert model["data_tests"] == [
        {
            "conforms": {
                "name": "conforms_stg_product__thing_done_v1",
                "arguments": {
                    "not_null": ["tenant", "plan"],
                    "accepted_values": {"plan": ["free", "team"]},
                },
                "config": {"warn_if": "> 0", "error_if": "> 1"},
            }
        }
    ]
    columns = {column["name"]: column for column in model["columns"]}
    assert columns["plan"]["description"] == "About plan."
    assert columns["note"]["data_type"] == "varchar"
    assert model["config"]["group"] == "events"
    assert document["groups"] == [{"name": "events", "owner": {"name": "team:events"}}]


def test_a_stream_without_contracts_has_one_model_of_everything() -> None:
    hooks = Stream("web-hooks", "sqs", "", "any", "Anything.")
    files = render_staging(registry(stream=hooks))
    assert set(files) == {
        f"{STAGING_FOLDER}/stg_web_hooks__any.sql",
        f"{STAGING_FOLDER}/_generated.yml",
    }


def test_every_contract_of_the_project_is_sound_and_has_its_model() -> None:
    project = load_registry()
    assert [str(f) for f in lint(project) if f.error] == []
    files = render(project)
    for made in project.contracts.values():
        assert f"{STAGING_FOLDER}/{model_name(made)}.sql" in files
        assert f"### {made.type}\n" in files["docs/events.md"]


def test_rendering_is_deterministic() -> None:
    first = render(load_registry(Path(__file__).parents[2] / "contracts"))
    load_registry.cache_clear()
    assert first == render(load_registry(Path(__file__).parents[2] / "contracts"))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (contract({"a": {"type": "strin"}}), "not a valid JSON Schema"),
        (contract({"a": {"type": "string", "minLength": "x"}}), "not a valid JSON Schema"),
        (contract({"a": {"type": "string", "description": " "}}), "'a' has no description"),
        (contract({}, description=""), "no description"),
        (contract({}, required=["gone"]), "'gone' is not among the properties"),
        (contract({"B": {"type": "string"}}), "'B' cannot be a column's name"),
        (contract({"a": {"type": "string", "description": "{{ x }}"}}), "mean something to dbt"),
        (
            contract({}, **{"$schema": "http://json-schema.org/draft-07/schema#"}),
            "must be https://json-schema.org/draft/2020-12/schema",
        ),
    ],
)
def test_lint_refuses(made: Contract, said: str) -> None:
    findings = lint(registry(made))
    assert any(said in str(finding) and finding.error for finding in findings), findings
    assert all(str(f).startswith("contracts/product.thing_done.v1.json: ") for f in findings)


def test_lint_says_what_a_new_major_breaks() -> None:
    old = contract(
        {
            "gone": {"type": "string"},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "count": {"type": "integer"},
        }
    )
    new = contract(
        {
            "kind": {"type": "string", "enum": ["a"]},
            "count": {"type": "string"},
            "added": {"type": "string"},
        },
        major=2,
        required=["added"],
    )
    (note,) = lint(registry(old, new))
    assert not note.error
    assert note.message == (
        "breaks product.thing_done.v1: gone is gone; kind no longer allows b; "
        "count has another type; added is now required."
    )


def test_lint_says_when_a_new_major_was_not_needed() -> None:
    old = contract({"a": {"type": "string"}})
    new = contract({"a": {"type": "string"}, "b": {"type": "string"}}, major=2)
    (note,) = lint(registry(old, new))
    assert not note.error and "only adds to product.thing_done.v1" in note.message


def test_two_types_that_would_share_a_model_are_refused() -> None:
    streams = {
        "a--b": Stream("a--b", "sqs", "", "required", ""),
        "a": Stream("a", "sqs", "", "required", ""),
    }
    schema = json.loads(json.dumps(dict(contract({}).schema)))
    contracts = {
        "a--b.c.v1": Contract("a--b.c.v1", "a--b", "c", 1, schema),
        "a.b__c.v1": Contract("a.b__c.v1", "a", "b__c", 1, schema),
    }
    errors = [f for f in lint(Registry(streams, contracts)) if f.error]
    assert [f.contract for f in errors] == ["a.b__c.v1"]
