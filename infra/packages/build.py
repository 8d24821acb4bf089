"""From a handler to its zip: what it imports, the wheels of that, nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.packages.archive import Archive, write_archive
from infra.packages.imports import Imports, walk
from infra.packages.lock import (
    Locked,
    closure,
    distributions_of,
    environment_of,
    pick,
    project_requirements,
    read_lock,
    with_extras,
)
from infra.packages.settings import ROOT, PackageSpec, Plan, Runtime
from minilab.errors import MinilabError

MAX_ZIPPED = 50 * 1024 * 1024
"""What Lambda takes as a direct upload (Lambda Developer Guide, "Quotas")."""
MAX_UNZIPPED = 250 * 1024 * 1024

_FOR_COMPILERS = (".pyi", ".typed", ".c", ".h", ".pxd", ".pyx")


class BuildError(MinilabError):
    """A package cannot be built, or may not be as it is."""


@dataclass(frozen=True)
class Contents:
    """What goes into one package."""

    spec: PackageSpec
    imports: Imports
    locked: list[Locked]
    """Distributions of others, at the versions and hashes of ``requirements.lock``."""
    aws_services: list[str]
    """Those that botocore can make a client of there."""


@dataclass(frozen=True)
class Built:
    contents: Contents
    archive: Archive
    file: str


def contents_of(plan: Plan, spec: PackageSpec, runtime: Runtime, root: Path = ROOT) -> Contents:
    """Find out what a handler needs.

    Raises:
        MinilabError: something is missing, forbidden, or left out without being there.
    """
    imports = walk(root, spec.module, spec.leave_out)
    asked = distributions_of(imports.foreign)
    wanted = with_extras(asked, project_requirements(root / "pyproject.toml"))
    environment = environment_of(runtime)
    everything = closure(wanted, environment)
    needed = closure(wanted, environment, spec.leave_out)
    if unused := spec.leave_out.keys() - imports.left_out - everything.keys():
        raise BuildError(
            f"Package {spec.name} leaves out what it does not import: {', '.join(sorted(unused))}.",
            hint="Delete it from leave_out in packages.toml.",
        )
    if heavy := needed.keys() & plan.never:
        raise BuildError(
            f"Package {spec.name} must not hold "
            + ", ".join(f"{name} (for {asked.get(name, needed[name])})" for name in sorted(heavy)),
            hint="Import it within the function that needs it, and leave that module out.",
        )
    services = {service for name in needed for service in plan.aws_services.get(name, [])}
    return Contents(
        spec,
        imports,
        pick(read_lock(root / "requirements.lock"), needed, runtime),
        sorted(services.union(imports.aws_services)),
    )


def build(plan: Plan, spec: PackageSpec, runtime: Runtime, out: Path, root: Path = ROOT) -> Built:
    """Write ``<name>.zip`` to ``out``.

    Raises:
        MinilabError: see ``contents_of``; or a wheel cannot be had; or Lambda would not take it.
    """
    contents = contents_of(plan, spec, runtime, root)
    path = out / f"{spec.name}.zip"
    with TemporaryDirectory(prefix="minilab-package-") as scratch:
        folder = Path(scratch) / "package"
        folder.mkdir()
        _install(contents.locked, runtime, folder)
        _remove_what_never_runs(folder, contents.aws_services)
        _copy_modules(contents.imports, plan, root, folder)
        archive = write_archive(folder, path)
    if archive.zipped > MAX_ZIPPED or archive.unzipped > MAX_UNZIPPED:
        raise BuildError(
            f"{path.name} has {archive.zipped:,} bytes, {archive.unzipped:,} unzipped; "
            f"Lambda takes {MAX_ZIPPED:,} and {MAX_UNZIPPED:,}."
        )
    return Built(contents, archive, path.name)


def _install(locked: Sequence[Locked], runtime: Runtime, folder: Path) -> None:
    requirements = folder.parent / "requirements.txt"
    requirements.write_text("".join(f"{entry.text}\n" for entry in locked))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder)),
            *("--python-platform", runtime.wheel_platform, "--python-version", runtime.python),
            *("--only-binary", ":all:", "--no-deps", "--require-hashes", "--no-compile-bytecode"),
            *("--link-mode", "copy", "--requirements", str(requirements)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(
            f"The wheels for {runtime.python} on {runtime.wheel_platform} cannot be installed:\n"
            f"{done.stderr.strip()}"
        )


def _remove_what_never_runs(folder: Path, aws_services: Sequence[str]) -> None:
    """Delete what is for installers, compilers and other AWS services than those in use.

    A distribution keeps its METADATA: ``importlib.metadata.version`` reads it (the signer for MSK
    does), and it is how scanners of deployed functions tell what is installed.
    """
    for info in folder.glob("*.dist-info"):
        for path in [p for p in info.rglob("*") if p.is_file() and p.name != "METADATA"]:
            path.unlink()
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for path in [p for p in folder.rglob("*") if p.suffix in _FOR_COMPILERS or p.name == ".lock"]:
        path.unlink()
    for data in (folder / "botocore" / "data", folder / "boto3" / "data"):
        for service in data.glob("*/"):
            if service.is_dir() and service.name not in aws_services:
                shutil.rmtree(service)
        for examples in data.rglob("examples-1.json*"):
            examples.unlink()


def _copy_modules(imports: Imports, plan: Plan, root: Path, folder: Path) -> None:
    for path in [*imports.modules.values(), *imports.data_files]:
        _copy(path, folder / path.relative_to(root))
    for module, data in plan.data.items():
        if module in imports.modules:
            for path in sorted((root / data.source).iterdir()):
                _copy(path, folder / data.target / path.name)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def manifest(built: Sequence[Built], runtime: Runtime) -> dict[str, Any]:
    """What Terraform needs to know: ``jsondecode(file("…/manifest.json"))``."""
    return {
        "runtime": f"python{runtime.python}",
        "architecture": runtime.architecture,
        "packages": {
            each.contents.spec.name: {
                "file": each.file,
                "handler": each.contents.spec.handler,
                "sha256": each.archive.sha256,
                "source_code_hash": each.archive.code_hash,
                "zipped_bytes": each.archive.zipped,
                "unzipped_bytes": each.archive.unzipped,
                "modules": sorted(each.contents.imports.modules),
                "distributions": {entry.name: entry.version for entry in each.contents.locked},
                "aws_services": each.contents.aws_services,
            }
            for each in built
        },
    }


def build_all(
    plan: Plan, specs: Sequence[PackageSpec], runtime: Runtime, out: Path, root: Path = ROOT
) -> list[Built]:
    """Build several packages and write their ``manifest.json``."""
    out.mkdir(parents=True, exist_ok=True)
    built = [build(plan, spec, runtime, out, root) for spec in specs]
    document = json.dumps(manifest(built, runtime), indent=2, sort_keys=True)
    (out / "manifest.json").write_text(document + "\n")
    return built
