"""dbt's typed staging: one view per contract, and the YAML that describes and tests them all.

A model is text over three macros of ``dbt_athena/macros/payload.sql``; how a JSON value becomes a
typed one is said there, once.
"""

from __future__ import annotations

from typing import Any

import yaml

from minilab.codegen.columns import ENVELOPE_COLUMNS, Column, Kind, columns_of
from minilab.events.registry import Contract, Registry, Stream

STAGING_FOLDER = "dbt_athena/models/staging/generated"
_NOTICE = "Written by `minilab contracts sync` from {origin}. Do not edit."
_MACROS: dict[Kind, str] = {
    "varchar": "payload_varchar",
    "bigint": "payload_bigint",
    "double": "payload_double",
    "boolean": "payload_boolean",
    "timestamp(6)": "payload_timestamp",
    "date": "payload_date",
    "json": "payload_json",
}
_ANY_STREAM_COLUMNS = {
    **ENVELOPE_COLUMNS,
    "event_type": ("varchar", "CloudEvents type, as the third party names it."),
    "data": ("varchar", "The payload, whole, as JSON text."),
    "extensions": ("varchar", "Other extension attributes, as a JSON object."),
}


def model_name(contract: Contract) -> str:
    """``stg_<stream>__<name>_v<major>``; hyphens, which SQL names lack, become underscores."""
    return f"stg_{_sql(contract.stream)}__{contract.name}_v{contract.major}"


def any_stream_model_name(stream: Stream) -> str:
    """The model of a stream whose events have no contracts."""
    return f"stg_{_sql(stream.name)}__any"


def render_staging(registry: Registry) -> dict[str, str]:
    """Every generated file of the dbt project: path from the checkout's root → text."""
    files: dict[str, str] = {}
    models: list[dict[str, Any]] = []
    for _, contract in sorted(registry.contracts.items()):
        columns = columns_of(contract)
        files[f"{STAGING_FOLDER}/{model_name(contract)}.sql"] = _contract_sql(contract, columns)
        models.append(_contract_yaml(contract, columns, registry.streams[contract.stream]))
    for _, stream in sorted(registry.streams.items()):
        if stream.contract == "any":
            files[f"{STAGING_FOLDER}/{any_stream_model_name(stream)}.sql"] = _any_sql(stream)
            models.append(_any_yaml(stream))
    document = {"version": 2, "groups": _groups(registry), "models": models}
    files[f"{STAGING_FOLDER}/_generated.yml"] = _to_yaml(document)
    return files


def _contract_sql(contract: Contract, columns: list[Column]) -> str:
    selected = [*ENVELOPE_COLUMNS, *(_expression(column) for column in columns)]
    return "\n".join(
        [
            f"-- {_NOTICE.format(origin=f'contracts/{contract.type}.json')}",
            "select",
            ",\n".join(f"    {expression}" for expression in selected),
            "from {{ ref('stg_events') }}",
            f"where stream = '{contract.stream}'",
            f"  and event_type = '{contract.type}'",
            "",
        ]
    )


def _any_sql(stream: Stream) -> str:
    return "\n".join(
        [
            f"-- {_NOTICE.format(origin='contracts/streams.yaml')}",
            "select",
            ",\n".join(f"    {name}" for name in _ANY_STREAM_COLUMNS),
            "from {{ ref('stg_events') }}",
            f"where stream = '{stream.name}'",
            "",
        ]
    )


def _expression(column: Column) -> str:
    return f"{{{{ {_MACROS[column.kind]}('{column.key}') }}}} as \"{column.name}\""


def _contract_yaml(contract: Contract, columns: list[Column], stream: Stream) -> dict[str, Any]:
    described = [_column_yaml(n, t, d) for n, (t, d) in ENVELOPE_COLUMNS.items()]
    described += [_column_yaml(c.name, c.data_type, _describe(c)) for c in columns]
    arguments: dict[str, Any] = {
        "not_null": ["tenant"] if stream.contract == "required" else [],
        "accepted_values": {c.name: list(c.values) for c in columns if c.values},
    }
    arguments["not_null"] += [c.name for c in columns if c.required]
    return {
        "name": model_name(contract),
        "description": f"{contract.description.strip()} One row per `{contract.type}` event.",
        "config": _config(stream, contract.type),
        "data_tests": [
            {
                "conforms": {
                    "name": f"conforms_{model_name(contract)}",
                    "arguments": {k: v for k, v in arguments.items() if v},
                    # In percent of the rows: one odd event warns, a rule that many break stops.
                    "config": {"warn_if": "> 0", "error_if": "> 1"},
                }
            }
        ],
        "columns": described,
    }


def _any_yaml(stream: Stream) -> dict[str, Any]:
    return {
        "name": any_stream_model_name(stream),
        "description": f"{stream.description.strip()} One row per event of the stream "
        f"`{stream.name}`, whatever its type.",
        "config": _config(stream, None),
        "columns": [_column_yaml(n, t, d) for n, (t, d) in _ANY_STREAM_COLUMNS.items()],
    }


def _config(stream: Stream, event_type: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"stream": stream.name}
    if event_type is not None:
        meta["contract"] = event_type
    if stream.owner:
        meta["dagster"] = {"owners": [stream.owner]}
    return {"group": _group(stream), "meta": meta}


def _column_yaml(name: str, data_type: str, description: str) -> dict[str, Any]:
    return {"name": name, "data_type": data_type, "description": description}


def _describe(column: Column) -> str:
    return column.description + (" As JSON text." if column.kind == "json" else "")


def _groups(registry: Registry) -> list[dict[str, Any]]:
    """A dbt group per owning team."""
    owners = {_group(stream): stream.owner for _, stream in sorted(registry.streams.items())}
    return [
        {"name": group, "owner": {"name": owner or "nobody yet"}}
        for group, owner in sorted(owners.items())
    ]


def _group(stream: Stream) -> str:
    team = stream.owner.removeprefix("team:") or stream.name
    return "".join(c if c.isalnum() else "_" for c in team.lower())


def _sql(name: str) -> str:
    return name.replace("-", "_")


def _to_yaml(document: dict[str, Any]) -> str:
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return f"# {_NOTICE.format(origin='contracts/')}\n{body}"
