"""The event catalogue for people: ``docs/events.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minilab.codegen.columns import columns_of
from minilab.codegen.staging import any_stream_model_name, model_name
from minilab.events.registry import Contract, Registry, Stream

CATALOG_FILE = "docs/events.md"

_HEAD = """\
<!-- Written by `minilab contracts sync` from contracts/. Do not edit. -->
# Event catalogue

Every event is a [CloudEvents 1.0](https://github.com/cloudevents/spec) event whose `type` is one of
the headings below and whose `data` has the properties listed. To add one, write
`contracts/<stream>.<name>.v1.json` (a JSON Schema) and run `minilab contracts sync`.

Additive changes (a new optional property, a new value of an enum) go into the same file. A change
that breaks readers or writers is a new major: a new file that ends in `.v2`.
"""

_LIMITS: Mapping[str, str] = {
    "pattern": "matches `{}`",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "maxItems": "at most {} items",
}


def render_catalog(registry: Registry) -> dict[str, str]:
    """The catalogue as path → text."""
    sections = [_HEAD]
    for _, stream in sorted(registry.streams.items()):
        sections.append(_stream(stream))
        sections += [_contract(contract) for contract in registry.contracts_of(stream.name)]
    return {CATALOG_FILE: "\n".join(sections)}


def _stream(stream: Stream) -> str:
    rule = (
        "Every event has a contract below; `tenant` is required."
        if stream.contract == "required"
        else f"Any event is accepted, its payload kept whole: `{any_stream_model_name(stream)}`."
    )
    return (
        f"## {stream.name}\n\n{stream.description}\n\n"
        f"Carried by {_BUSES[stream.bus]}, owned by `{stream.owner or 'nobody yet'}`. {rule}\n"
    )


_BUSES = {"kafka": "Kafka", "sqs": "SQS"}


def _contract(contract: Contract) -> str:
    properties: Mapping[str, Mapping[str, Any]] = contract.schema.get("properties", {})
    rows = [
        f"| `{column.key}` | {_type(properties[column.key])} "
        f"| {'yes' if column.required else ''} "
        f"| {_cell(column.description, properties[column.key])} |"
        for column in columns_of(contract)
    ]
    table = ["| property | type | required | meaning |", "|---|---|---|---|", *rows]
    return (
        f"### {contract.type}\n\n{contract.description.strip()} Staged as "
        f"`{model_name(contract)}`.\n\n" + "\n".join(table if rows else ["No properties."]) + "\n"
    )


def _type(schema: Mapping[str, Any]) -> str:
    stated = schema.get("type", "string")
    names = [stated] if isinstance(stated, str) else list(stated)
    text = " or ".join(names)
    if isinstance(schema.get("format"), str):
        text += f" ({schema['format']})"
    return text


def _cell(description: str, schema: Mapping[str, Any]) -> str:
    said = [description] if description else []
    if schema.get("enum"):
        said.append("One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
    limits = ["not empty"] if schema.get("minLength") == 1 else []
    limits += [
        text.format(schema[key])
        for key, text in _LIMITS.items()
        if key in schema and (key, schema[key]) != ("minLength", 1)
    ]
    if limits:
        joined = ", ".join(limits)
        said.append(f"{joined[0].upper()}{joined[1:]}.")
    return " ".join(said).replace("|", "\\|").replace("\n", " ")
