"""The contract registry: the streams and event types that this deployment knows.

Read once from the ``contracts/`` folder: ``streams.yaml`` and one JSON Schema (2020-12) per event
type, ``<type>.json``, where a type is ``<stream>.<name>.v<major>``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from minilab.errors import MinilabError

_TYPE = re.compile(
    r"(?P<stream>[a-z][a-z0-9-]*)\.(?P<name>[a-z][a-z0-9_]*)\.v(?P<major>[1-9][0-9]*)"
)
_STREAM = re.compile(r"[a-z][a-z0-9-]{0,39}")

UNROUTED = "unrouted"
"""Stands for the stream where none could be told: of failed events alone."""
FAILURES = "failed"
"""Stands among streams for what was not accepted before landing: the failed queue and the dead
letters."""
_RESERVED = frozenset({UNROUTED, FAILURES, "ingest"})
"""Queues and partitions of these names are not a stream's."""

Bus = Literal["kafka", "sqs"]


class RegistryError(MinilabError):
    """A file in ``contracts/`` cannot be used."""


@dataclass(frozen=True)
class Stream:
    """One line of ``streams.yaml``."""

    name: str
    bus: Bus
    owner: str
    contract: Literal["required", "any"]
    description: str
    partitions: int = 1
    """Kafka partitions; 1 for SQS."""


@dataclass(frozen=True)
class Contract:
    """What ``data`` of one event type must look like."""

    type: str
    stream: str
    name: str
    major: int
    schema: Mapping[str, Any] = field(hash=False)

    @property
    def description(self) -> str:
        return str(self.schema.get("description", ""))


@dataclass(frozen=True)
class Registry:
    streams: Mapping[str, Stream]
    contracts: Mapping[str, Contract]

    def stream(self, name: str) -> Stream:
        """The stream called ``name``.

        Raises:
            RegistryError: there is none; the message lists those there are.
        """
        try:
            return self.streams[name]
        except KeyError:
            raise RegistryError(
                f"There is no stream {name!r}.",
                hint=f"Streams in contracts/streams.yaml: {', '.join(self.streams)}.",
            ) from None

    def contracts_of(self, stream: str) -> list[Contract]:
        """The contracts of one stream, by type."""
        return [c for _, c in sorted(self.contracts.items()) if c.stream == stream]


def contracts_dir() -> Path:
    """``MINILAB_CONTRACTS_DIR``, or the checkout's ``contracts/``, or the installed copy."""
    if override := os.environ.get("MINILAB_CONTRACTS_DIR"):
        return Path(override)
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "contracts"
    return checkout if checkout.is_dir() else package / "_contracts"


@lru_cache(maxsize=8)
def load_registry(directory: Path | None = None) -> Registry:
    """Read and check the contracts folder.

    Raises:
        RegistryError: a file is missing, unreadable or contradicts another; the message names it.
    """
    directory = directory or contracts_dir()
    streams = _read_streams(directory / "streams.yaml")
    contracts: dict[str, Contract] = {}
    for path in sorted(directory.glob("*.json")):
        contract = _read_contract(path, streams)
        contracts[contract.type] = contract
    return Registry(streams=streams, contracts=contracts)


def _read_streams(path: Path) -> dict[str, Stream]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise RegistryError(f"{path} cannot be read: {error}") from error
    entries = document.get("streams") if isinstance(document, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise RegistryError(f"{path} has no 'streams' mapping.")
    return {name: _read_stream(path, name, entry) for name, entry in entries.items()}


def _read_stream(path: Path, name: str, entry: Any) -> Stream:
    where = f"{path}: stream {name!r}"
    if not isinstance(name, str) or not _STREAM.fullmatch(name):
        raise RegistryError(f"{where}: a name is lower-case letters, digits and hyphens.")
    if name in _RESERVED or name.endswith("-dlq"):
        raise RegistryError(f"{where}: this name is taken by the platform itself.")
    if not isinstance(entry, dict):
        raise RegistryError(f"{where} must be a mapping with bus, owner and contract.")
    unknown = entry.keys() - {"bus", "owner", "contract", "description", "partitions"}
    if unknown:
        raise RegistryError(f"{where} has unknown keys: {', '.join(sorted(unknown))}.")
    if entry.get("bus") not in ("kafka", "sqs"):
        raise RegistryError(f"{where}: bus must be kafka or sqs, not {entry.get('bus')!r}.")
    if entry.get("contract") not in ("required", "any"):
        raise RegistryError(f"{where}: contract must be required or any.")
    partitions = entry.get("partitions", 1)
    if not isinstance(partitions, int) or partitions < 1:
        raise RegistryError(f"{where}: partitions must be a whole number from 1.")
    return Stream(
        name=name,
        bus=entry["bus"],
        owner=str(entry.get("owner", "")),
        contract=entry["contract"],
        description=str(entry.get("description", "")),
        partitions=partitions,
    )


def _read_contract(path: Path, streams: Mapping[str, Stream]) -> Contract:
    event_type = path.name.removesuffix(".json")
    match = _TYPE.fullmatch(event_type)
    if match is None:
        raise RegistryError(
            f"{path}: the name is not <stream>.<name>.v<major>.json.",
            hint="For example product.page_viewed.v1.json.",
        )
    if match["stream"] not in streams:
        raise RegistryError(
            f"{path}: there is no stream {match['stream']!r} in streams.yaml.",
            hint="Add the stream there, or begin the type with one that exists: "
            + ", ".join(streams),
        )
    try:
        schema = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise RegistryError(f'{path}: a contract is a JSON Schema with "type": "object".')
    return Contract(
        type=event_type,
        stream=match["stream"],
        name=match["name"],
        major=int(match["major"]),
        schema=schema,
    )
