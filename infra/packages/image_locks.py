"""For each container image, the part of ``requirements.lock`` that it installs.

A lock file of its own, committed beside the Dockerfile, so that an image is built from the checkout
alone, and what it holds can be read in a diff.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement

from infra.packages.imports import walk
from infra.packages.lock import (
    closure,
    distributions_of,
    environment_of,
    pick,
    project_requirements,
    read_lock,
    with_extras,
)
from infra.packages.settings import ARCHITECTURES, ROOT, ImageSpec, Plan

_HEADER = """\
# The part of requirements.lock that this image installs. Written by `make lock`
# (python -m infra.packages locks); a test fails where it is not up to date.
"""


def image_locks(plan: Plan, root: Path = ROOT) -> Mapping[Path, str]:
    """Each image's lock file and what is to stand in it.

    Raises:
        MinilabError: a module or distribution that an image needs is missing.
    """
    return {
        root / "infra" / "images" / name / "requirements.lock": _lock(plan, spec, root)
        for name, spec in plan.images.items()
    }


def _lock(plan: Plan, spec: ImageSpec, root: Path) -> str:
    wanted = _wanted(spec, root)
    lock = read_lock(root / "requirements.lock")
    entries: dict[str, str] = {}
    for architecture in ARCHITECTURES:
        runtime = plan.runtime(architecture)
        needed = closure(wanted, environment_of(runtime))
        entries |= {entry.name: entry.text for entry in pick(lock, needed, runtime)}
    return _HEADER + "".join(f"{entries[name]}\n" for name in sorted(entries))


def _wanted(spec: ImageSpec, root: Path) -> list[Requirement]:
    pyproject = root / "pyproject.toml"
    if spec.extra is not None:
        return project_requirements(pyproject, [spec.extra])
    if spec.distributions:
        return [Requirement(name) for name in spec.distributions]
    foreign: dict[str, str] = {}
    for module in spec.modules:
        foreign |= walk(root, module).foreign
    return with_extras(distributions_of(foreign), project_requirements(pyproject))
