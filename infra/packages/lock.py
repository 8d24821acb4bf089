"""``requirements.lock`` as data, and the part of it that some distributions need."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.packages.settings import Runtime
from minilab.errors import MinilabError

_ENTRY = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.*?))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


class LockError(MinilabError):
    """The lock file does not have what is needed."""


@dataclass(frozen=True)
class Locked:
    """One entry of the lock file."""

    name: str
    version: str
    marker: str | None
    text: str
    """As it stands in the file: version, marker and hashes."""

    def applies(self, environment: Mapping[str, str]) -> bool:
        return self.marker is None or Marker(self.marker).evaluate(dict(environment))


def read_lock(path: Path) -> list[Locked]:
    """The entries of a lock file that uv wrote, in its order."""
    return [
        Locked(canonicalize_name(m["name"]), m["version"], m["marker"], m[0].rstrip())
        for m in _ENTRY.finditer(path.read_text())
    ]


def project_requirements(pyproject: Path, extras: Collection[str] = ()) -> list[Requirement]:
    """The project's dependencies, and those of some of its extras."""
    project = tomllib.loads(pyproject.read_text())["project"]
    optional = project.get("optional-dependencies", {})
    lines = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    return [Requirement(line) for line in lines]


def distributions_of(foreign: Mapping[str, str]) -> dict[str, str]:
    """The distribution of each top-level package, and the module that imports it.

    Raises:
        LockError: a package is not installed, or several distributions have it.
    """
    installed = packages_distributions()
    found: dict[str, str] = {}
    for top, module in foreign.items():
        match sorted(set(installed.get(top, []))):
            case [name]:
                found[canonicalize_name(name)] = module
            case several:
                raise LockError(
                    f"{module} imports {top}, which is in "
                    + (f"several distributions: {several}." if several else "no distribution."),
                    hint="Add it to pyproject.toml, then run make lock and make setup.",
                )
    return found


def with_extras(names: Iterable[str], project: Iterable[Requirement]) -> list[Requirement]:
    """A requirement of each distribution, with the extras that the project asks of it."""
    extras = {canonicalize_name(requirement.name): requirement.extras for requirement in project}
    return [
        Requirement(f"{name}[{','.join(sorted(extras.get(canonicalize_name(name), ())))}]")
        for name in names
    ]


def closure(
    wanted: Iterable[Requirement], environment: Mapping[str, str], leave_out: Collection[str] = ()
) -> dict[str, str]:
    """All distributions that ``wanted`` needs in ``environment``, each with one that asks for it.

    Requirements are those that the installed distributions declare.

    Raises:
        LockError: one of them is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "pyproject.toml") for requirement in wanted]
    while waiting:
        requirement, asked_by = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in leave_out:
            continue
        found.setdefault(name, asked_by)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(r, name) for r in _requires(name, extra, environment)]
    return found


def _requires(name: str, extra: str, environment: Mapping[str, str]) -> Iterator[Requirement]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        raise LockError(
            f"{name} is not installed, so what it needs cannot be told.",
            hint="Run make setup.",
        ) from None
    for line in lines:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None:
            if not extra:
                yield requirement
        elif marker.evaluate({**environment, "extra": extra}):
            yield requirement


def environment_of(runtime: Runtime) -> dict[str, str]:
    """The values of environment markers there (PyPA, "Dependency specifiers")."""
    return {
        **{str(name): str(value) for name, value in default_environment().items()},
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": runtime.machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{runtime.python}.0",
        "python_version": runtime.python,
        "sys_platform": "linux",
    }


def pick(lock: Iterable[Locked], names: Collection[str], runtime: Runtime) -> list[Locked]:
    """The entries of ``names`` that apply in ``runtime``, in the lock's order.

    Raises:
        LockError: some are not in the lock file.
    """
    environment = environment_of(runtime)
    picked = [entry for entry in lock if entry.name in names and entry.applies(environment)]
    if missing := set(names) - {entry.name for entry in picked}:
        raise LockError(
            f"requirements.lock does not have {', '.join(sorted(missing))}.", hint="Run make lock."
        )
    return picked
