"""The API's OpenAPI 3.1 document, made from the contract registry and the table of problems.

What it cannot say: in binary mode the ``ce-`` headers are required, in the other modes they are
not looked at; and an event's id and source may be used once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from minilab.bus.publisher import CLOUDEVENT, CLOUDEVENTS_BATCH
from minilab.events.envelope import MAX_TENANT_LENGTH, PLATFORM_ATTRIBUTES
from minilab.events.registry import Contract, Registry, Stream
from minilab.ingest.accept import MAX_REQUEST_EVENTS
from minilab.ingest.message import JSON
from minilab.ingest.outcome import STATUSES
from minilab.ingest.problems import KINDS, MEDIA_TYPE, type_of

VERSION = "1.0.0"

_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
"""The CloudEvents String type, not empty."""
_TEXT_OR_NONE = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
_TENANT = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
_MEDIA_TYPE = "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$"
_TEXTS = ("a", "EUR", "US", "2026-01-31", "2026-01-31T12:00:00Z", "https://example.com/")
"""Tried where a contract has no example of its own."""
_ANNOTATIONS = ("$schema", "$id")
_ID = "01J9ZK3T7Q8E5X"
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which the same request may succeed.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750).",
        "required": True,
        "schema": {"type": "string"},
    }
}
_ALLOW = {
    "Allow": {
        "description": "The methods there are.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: _CHALLENGE,
    405: _ALLOW,
    409: _RETRY_AFTER,
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
_OF_EVENTS = tuple(sorted({kind.status for kind in KINDS.values()} - {404}))
"""Statuses of problems where events are sent."""


def openapi_document(registry: Registry) -> dict[str, Any]:
    """The document, as Python values that JSON has."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mini-Lab ingestion API",
            "version": VERSION,
            "summary": "Takes CloudEvents, once.",
            "description": (
                "The CloudEvents HTTP protocol binding 1.0.2: structured, batched and binary mode. "
                "What is answered with 202 is stored."
            ),
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": "events"}, {"name": "contracts"}, {"name": "service"}],
        "paths": {
            "/v1/events": {
                "post": _post_events(
                    "sendEvents",
                    "Send events; the type of each tells its stream.",
                    _event_of_any_contract(registry),
                    _example(registry),
                )
            },
            **{
                f"/v1/streams/{stream.name}/events": {
                    "post": _post_events(
                        f"sendEventsTo{_camel(stream.name)}",
                        f"Send events to the stream {stream.name}: {stream.description}",
                        _event_of(registry, stream),
                        _example(registry, stream),
                    )
                }
                for stream in registry.streams.values()
            },
            "/v1/contracts": {"get": _get_contracts()},
            "/v1/contracts/{type}": {"get": _get_contract(registry)},
            "/v1/openapi.json": {"get": _get_openapi()},
            "/v1/health": {"get": _get_health()},
        },
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, mlk_…, as `minilab tenants create` prints it.",
                }
            },
            "parameters": _binary_headers(),
            "responses": _problem_responses(),
            "schemas": _schemas(registry),
        },
    }


# Paths ---------------------------------------------------------------------------------------


def _post_events(
    operation: str, summary: str, event: Mapping[str, Any], example: Mapping[str, Any]
) -> dict[str, Any]:
    attributes = {name: value for name, value in example.items() if name != "data"}
    answer = {"oneOf": [_ref("Accepted"), _ref("Batch")]}
    refused = {
        "content": {JSON: {"schema": _ref("Batch")}, MEDIA_TYPE: {"schema": _ref("Problem")}}
    }
    return {
        "operationId": operation,
        "tags": ["events"],
        "summary": summary,
        "description": (
            "Structured mode is one event, batched mode up to "
            f"{MAX_REQUEST_EVENTS:,} of them. Any other Content-Type is binary mode: the body is "
            "the data, the attributes are `ce-` headers (then those marked so are required)."
        ),
        "security": [{"apiKey": []}],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _binary_headers()],
        "requestBody": {
            "required": True,
            "content": {
                CLOUDEVENT: {"schema": event, "example": example},
                CLOUDEVENTS_BATCH: {
                    "schema": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_REQUEST_EVENTS,
                        "items": event,
                    },
                    "example": [example],
                },
                JSON: {
                    "schema": {"description": f"The data alone; headers say {attributes}."},
                    "example": example.get("data"),
                },
            },
        },
        "responses": {
            "202": {
                "description": "Every event is stored: accepted now, or before (duplicate).",
                "content": {JSON: {"schema": answer}},
            },
            "207": {
                "description": "Of a batch: some events are stored, some are not.",
                "headers": _RETRY_AFTER,
                "content": {JSON: {"schema": _ref("Batch")}},
            },
            **{str(status): _response(status) for status in _OF_EVENTS},
            "404": _response(404),
            "422": {**_described(422), **refused},
            "503": {**_described(503), **refused, "headers": _RETRY_AFTER},
        },
    }


def _get_contracts() -> dict[str, Any]:
    return {
        "operationId": "listContracts",
        "tags": ["contracts"],
        "summary": "The streams, and the event types that have a contract.",
        "responses": {"200": _ok(JSON, _ref("Contracts")), "405": _response(405)},
    }


def _get_contract(registry: Registry) -> dict[str, Any]:
    kinds = sorted(registry.contracts)
    return {
        "operationId": "getContract",
        "tags": ["contracts"],
        "summary": "The JSON Schema (2020-12) that the data of one type must keep.",
        "parameters": [
            {
                "name": "type",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
                "examples": {kind: {"value": kind} for kind in kinds[:1]},
            }
        ],
        "responses": {
            "200": _ok("application/schema+json", {"type": "object"}),
            "404": _response(404),
            "405": _response(405),
        },
    }


def _get_openapi() -> dict[str, Any]:
    return {
        "operationId": "getOpenapi",
        "tags": ["service"],
        "summary": "This document.",
        "responses": {"200": _ok(JSON, {"type": "object"}), "405": _response(405)},
    }


def _get_health() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"status": {"const": "ok"}},
        "required": ["status"],
    }
    return {
        "operationId": "getHealth",
        "tags": ["service"],
        "summary": "Whether the API is up.",
        "responses": {"200": _ok(JSON, schema), "405": _response(405)},
    }


def _ok(media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": "What was asked for.", "content": {media_type: {"schema": schema}}}


def _response(status: int) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/problem-{status}"}


# Components ----------------------------------------------------------------------------------


def _problem_responses() -> dict[str, Any]:
    return {
        f"problem-{status}": {
            **_described(status),
            "headers": _HEADERS.get(status, {}),
            "content": {MEDIA_TYPE: {"schema": _ref("Problem")}},
        }
        for status in sorted({kind.status for kind in KINDS.values()})
    }


def _described(status: int) -> dict[str, str]:
    reasons = [
        f"`{reason}`: {kind.title}." for reason, kind in KINDS.items() if kind.status == status
    ]
    return {"description": " ".join(reasons)}


def _schemas(registry: Registry) -> dict[str, Any]:
    return {
        "CloudEvent": _cloud_event(),
        **{contract.type: _payload(contract) for contract in registry.contracts.values()},
        "Accepted": {
            "type": "object",
            "description": "The event is stored.",
            "properties": {
                "status": {"enum": ["accepted", "duplicate"]},
                "id": {"type": "string"},
                "source": {"type": "string"},
                "type": {"type": "string"},
                "stream": {"type": "string"},
                "received_at": _received_at(),
            },
            "required": ["status", "id", "source", "type", "stream", "received_at"],
            "additionalProperties": False,
        },
        "Batch": {
            "type": "object",
            "description": "How many events became what, and what became of each.",
            "properties": {
                **{status: {"type": "integer", "minimum": 0} for status in STATUSES},
                "results": {"type": "array", "minItems": 1, "items": _ref("Result")},
            },
            "required": [*STATUSES, "results"],
            "additionalProperties": False,
        },
        "Result": {
            "type": "object",
            "properties": {
                "index": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "The event's place in the batch.",
                },
                "status": {"enum": list(STATUSES)},
                "id": {"type": "string"},
                "source": {"type": "string"},
                "type": {"type": "string"},
                "stream": {"type": "string"},
                "received_at": _received_at(),
                "problem": _ref("Problem"),
            },
            "required": ["index", "status", "stream"],
            "additionalProperties": False,
        },
        "Problem": {
            "type": "object",
            "description": "RFC 9457.",
            "properties": {
                "type": {"enum": [type_of(reason) for reason in KINDS]},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "instance": {"type": "string", "description": "The request's id."},
                "reason": {"enum": [str(reason) for reason in KINDS]},
                "violations": {"type": "array", "items": _ref("Violation")},
            },
            "required": ["type", "title", "status", "detail", "instance", "reason"],
            "additionalProperties": False,
        },
        "Violation": {
            "type": "object",
            "description": "One broken rule.",
            "properties": {
                "path": {"type": "string", "description": "JSON Pointer into the event."},
                "rule": {"type": "string"},
                "message": {"type": "string"},
            },
            "required": ["path", "rule", "message"],
            "additionalProperties": False,
        },
        "Contracts": _contracts(),
    }


def _cloud_event() -> dict[str, Any]:
    text = {"type": "string", "pattern": _TEXT}
    return {
        "type": "object",
        "description": "The envelope: CloudEvents 1.0, JSON event format. Null is absent.",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "With source, names the event: send it again, same id."},
            "source": {
                "type": "string",
                "format": "uri-reference",
                "minLength": 1,
                "description": "Where it happened.",
            },
            "type": text,
            "time": {"type": ["string", "null"], "format": "date-time"},
            "subject": {**text, "type": ["string", "null"]},
            "tenant": {
                "type": ["string", "null"],
                "pattern": _TENANT,
                "maxLength": MAX_TENANT_LENGTH,
                "description": "Set by the API where it is absent; another's is refused.",
            },
            "datacontenttype": {"type": ["string", "null"], "pattern": _MEDIA_TYPE},
            "dataschema": {"type": ["string", "null"], "format": "uri", "minLength": 1},
            "data": {},
            "data_base64": {"type": ["string", "null"], "contentEncoding": "base64"},
            **dict.fromkeys(PLATFORM_ATTRIBUTES, False),
        },
        "propertyNames": {"pattern": "^([a-z0-9]+|data_base64)$"},
        "additionalProperties": {
            "description": "Extension attributes.",
            "anyOf": [
                {"type": ["boolean", "integer", "null"]},
                {"type": "string", "pattern": _TEXT_OR_NONE},
            ],
        },
        "required": ["specversion", "id", "source", "type"],
    }


def _event_of_any_contract(registry: Registry) -> dict[str, Any]:
    return _one_of(registry.contracts.values())


def _event_of(registry: Registry, stream: Stream) -> dict[str, Any]:
    if stream.contract == "required":
        return _one_of(registry.contracts_of(stream.name))
    foreign = sorted(registry.contracts)
    return {
        "allOf": [
            _ref("CloudEvent"),
            {
                "properties": {"type": {"not": {"enum": foreign}}},
                "not": {"required": ["data", "data_base64"]},
            },
        ]
    }


def _one_of(contracts: Iterable[Contract]) -> dict[str, Any]:
    return {
        "oneOf": [
            {
                "allOf": [
                    _ref("CloudEvent"),
                    {
                        "title": contract.type,
                        "properties": {
                            "type": {"const": contract.type},
                            "data": _ref(contract.type),
                            "data_base64": False,
                        },
                        "required": ["data"],
                    },
                ]
            }
            for contract in contracts
        ]
    }


def _payload(contract: Contract) -> dict[str, Any]:
    return {name: value for name, value in contract.schema.items() if name not in _ANNOTATIONS}


def _received_at() -> dict[str, Any]:
    return {
        "type": "string",
        "format": "date-time",
        "description": "When the API was first given the event.",
    }


def _contracts() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "streams": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": text,
                        "contract": {"enum": ["required", "any"]},
                        "description": text,
                    },
                    "required": ["name", "contract"],
                },
            },
            "contracts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "type": text,
                        "stream": text,
                        "description": text,
                        "href": {"type": "string", "format": "uri-reference"},
                    },
                    "required": ["type", "stream", "href"],
                },
            },
        },
        "required": ["streams", "contracts"],
    }


def _binary_headers() -> dict[str, Any]:
    """Parameters by name. None is required of the operation: two of its three modes have none."""
    headers = {
        "ce-specversion": ("The version of CloudEvents (binary mode: required).", "1.0"),
        "ce-id": ("The event's id (binary mode: required).", _ID),
        "ce-source": ("Where it happened (binary mode: required).", "/web"),
        "ce-type": ("What happened (binary mode: required).", None),
        "ce-time": ("When it happened, RFC 3339 (binary mode).", "2026-01-31T12:00:00Z"),
        "ce-subject": ("What it happened to (binary mode).", None),
        "ce-tenant": ("The tenant (binary mode); set by the API where absent.", None),
    }
    return {
        name: {
            "name": name,
            "in": "header",
            "required": False,
            "description": f"{description} Percent-encoded.",
            "schema": {"type": "string"},
            **({} if example is None else {"example": example}),
        }
        for name, (description, example) in headers.items()
    }


def _example(registry: Registry, stream: Stream | None = None) -> dict[str, Any]:
    """An event that is accepted (its data are made from the contract's own words)."""
    contracts = (
        list(registry.contracts.values()) if stream is None else registry.contracts_of(stream.name)
    )
    event = {"specversion": "1.0", "id": _ID, "source": "/web"}
    if not contracts:
        return {**event, "type": "com.example.something", "data": {"any": "JSON"}}
    first = contracts[0]
    return {**event, "type": first.type, "data": _example_of(first.schema)}


def _example_of(schema: Mapping[str, Any]) -> Any:
    """A value that a contract's schema accepts: required members, with the smallest values."""
    match schema:
        case {"examples": [first, *_]} | {"enum": [first, *_]} | {"const": first}:
            return first
        case {"type": "object"}:
            properties = schema.get("properties", {})
            return {name: _example_of(properties[name]) for name in schema.get("required", [])}
        case {"type": "array"}:
            return [_example_of(schema.get("items", {}))] * int(schema.get("minItems", 0))
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 1)
        case {"type": "boolean"}:
            return True
    texts = [*_TEXTS, "a" * int(schema.get("minLength", 1))]
    rule = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True)
    return next((text for text in texts if rule.is_valid(text)), texts[-1])


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}
