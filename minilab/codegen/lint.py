"""What a contract must keep so that everything downstream can follow from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from minilab.codegen.columns import ColumnError, columns_of
from minilab.codegen.staging import model_name
from minilab.events.registry import Contract, Registry

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Finding:
    """One remark on one contract. An error stops ``sync``; a note is for the reader."""

    contract: str
    message: str
    error: bool = True

    def __str__(self) -> str:
        return f"contracts/{self.contract}.json: {self.message}"


def lint(registry: Registry) -> list[Finding]:
    """Check every contract and return all that is to be said, errors first."""
    findings: list[Finding] = []
    for _, contract in sorted(registry.contracts.items()):
        findings += _lint_contract(contract)
        previous = registry.contracts.get(
            f"{contract.stream}.{contract.name}.v{contract.major - 1}"
        )
        if previous is not None:
            findings.append(_compare(previous, contract))
    findings += _clashes(registry)
    return sorted(findings, key=lambda finding: not finding.error)


def _lint_contract(contract: Contract) -> Iterator[Finding]:
    if contract.schema.get("$schema", _DIALECT) != _DIALECT:
        yield Finding(contract.type, f'its "$schema" must be {_DIALECT}.')
        return
    try:
        jsonschema_rs.Draft202012Validator(dict(contract.schema))
        jsonschema_rs.meta.validate(dict(contract.schema))
    except (jsonschema_rs.ValidationError, ValueError) as error:
        yield Finding(contract.type, f"not a valid JSON Schema (2020-12): {_first_line(error)}")
        return
    if "{{" in (text := json.dumps(contract.schema)) or "{%" in text:
        yield Finding(contract.type, "'{{' and '{%' mean something to dbt; leave them out.")
    if not contract.description.strip():
        yield Finding(contract.type, "it has no description.")
    properties: Mapping[str, Any] = contract.schema.get("properties", {})
    for name, schema in properties.items():
        if not str(schema.get("description", "") if isinstance(schema, Mapping) else "").strip():
            yield Finding(contract.type, f"property {name!r} has no description.")
    for name in contract.schema.get("required", ()):
        if name not in properties:
            yield Finding(contract.type, f"required property {name!r} is not among the properties.")
    try:
        columns_of(contract)
    except ColumnError as error:
        yield Finding(contract.type, f"{error.message}" + (f" {error.hint}" if error.hint else ""))


def _compare(previous: Contract, contract: Contract) -> Finding:
    """Say what the new major breaks; a purely additive change needs no new major."""
    broken = list(_breaking_changes(previous.schema, contract.schema))
    if broken:
        return Finding(contract.type, f"breaks {previous.type}: {'; '.join(broken)}.", error=False)
    return Finding(
        contract.type,
        f"only adds to {previous.type}: a minor change of that file would have done.",
        error=False,
    )


def _breaking_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What makes a payload valid before and invalid, or of another type, now."""
    before: Mapping[str, Any] = old.get("properties", {})
    after: Mapping[str, Any] = new.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{name} is gone"
        elif not isinstance(before[name], Mapping) or not isinstance(after[name], Mapping):
            continue
        elif (before[name].get("type"), before[name].get("format")) != (
            after[name].get("type"),
            after[name].get("format"),
        ):
            yield f"{name} has another type"
        elif lost := _lost_values(before[name], after[name]):
            yield f"{name} no longer allows {', '.join(map(str, lost))}"
    for name in new.get("required", ()):
        if name not in old.get("required", ()):
            yield f"{name} is now required"


def _lost_values(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Any]:
    allowed = after.get("enum")
    return [v for v in before.get("enum", ()) if allowed is not None and v not in allowed]


def _clashes(registry: Registry) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for event_type, contract in sorted(registry.contracts.items()):
        name = model_name(contract)
        if name in seen:
            yield Finding(event_type, f"its model {name} is also that of {seen[name]}.")
        seen[name] = event_type


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
