"""What is to be built: ``packages.toml`` as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Architecture = Literal["x86_64", "arm64"]
"""As Lambda names them."""
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
PLAN = Path(__file__).with_name("packages.toml")


@dataclass(frozen=True)
class Runtime:
    """Where a package runs."""

    python: str
    """Major and minor version, such as ``3.12``."""
    glibc: str
    architecture: Architecture

    @property
    def machine(self) -> str:
        """As ``platform.machine()`` says it there."""
        return "aarch64" if self.architecture == "arm64" else "x86_64"

    @property
    def wheel_platform(self) -> str:
        """As uv's ``--python-platform`` wants it."""
        return f"{self.machine}-manylinux_{self.glibc.replace('.', '_')}"


@dataclass(frozen=True)
class Data:
    """Files that a module reads."""

    source: str
    """A folder of the checkout."""
    target: str
    """Its place in the package."""


@dataclass(frozen=True)
class PackageSpec:
    name: str
    handler: str
    """As Lambda is told it: ``module.function``."""
    leave_out: Mapping[str, str]
    """Modules and distributions that are not needed, with the reason."""

    @property
    def module(self) -> str:
        return self.handler.rpartition(".")[0]


@dataclass(frozen=True)
class ImageSpec:
    """Which distributions an image installs; one of the three."""

    name: str
    modules: tuple[str, ...]
    extra: str | None
    distributions: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    python: str
    glibc: str
    never: frozenset[str]
    """Distributions that no package may hold."""
    aws_services: Mapping[str, list[str]]
    """Services that others' distributions make clients of."""
    data: Mapping[str, Data]
    """By the module that reads them."""
    packages: Mapping[str, PackageSpec]
    images: Mapping[str, ImageSpec]

    def runtime(self, architecture: Architecture, python: str | None = None) -> Runtime:
        return Runtime(python or self.python, self.glibc, architecture)


def read_plan(path: Path = PLAN) -> Plan:
    document = tomllib.loads(path.read_text())
    return Plan(
        python=document["runtime"]["python"],
        glibc=document["runtime"]["glibc"],
        never=frozenset(document["never"]["distributions"]),
        aws_services=document["aws_services"],
        data={m: Data(entry["from"], entry["to"]) for m, entry in document["data"].items()},
        packages={
            name: PackageSpec(name, entry["handler"], entry.get("leave_out", {}))
            for name, entry in document["packages"].items()
        },
        images={
            name: ImageSpec(
                name,
                tuple(entry.get("modules", ())),
                entry.get("extra"),
                tuple(entry.get("distributions", ())),
            )
            for name, entry in document["images"].items()
        },
    )
