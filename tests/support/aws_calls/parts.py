"""Which part of the platform a call is made by: the roles of AWS are given by part.

A process is known by how it was started. In a test's process, and in the laptop's AWS, the
outermost module of the project on the stack decides: a handler called by a test is the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PROJECT = ("minilab", "minilab_dagster", "minilab_local")

TESTS = "tests"
"""What tests do by themselves: of no role."""
ATHENA, ATHENA_FOR_ANALYSTS = "athena", "athena-analysts"
"""The laptop's Athena at work, in the workgroup of dbt and Dagster, or in that of the analysts. It
reads and writes as whoever asked it: what it does must be allowed to who may use the workgroup."""
QUERY = "query"
"""`minilab query`: of whoever asks."""
LIBRARY = "library"
"""A shared module that a test calls directly: it does not say for whom."""

_acting: list[str] = []


@contextmanager
def acting_as(part: str) -> Iterator[None]:
    """For a test of a library's code, which no module of ours calls: whose part it plays.

    Calls of other threads count as well. Where nothing is recorded, this does nothing.
    """
    _acting.append(part)
    try:
        yield
    finally:
        _acting.remove(part)


_WORKGROUP = "minilab_local.athena.workgroup:"


def workgroup_module(name: str) -> str:
    """What stands for a workgroup among the modules that a query's work goes through."""
    return f"{_WORKGROUP}{name}"


_PROCESSES: Sequence[tuple[str, str | None]] = (
    # How its command line begins, as far as it matters; the first that fits counts.
    ("-m pytest", None),
    ("-m minilab.cli process", "processor"),
    ("-m minilab.cli land", "lander"),
    ("-m minilab.cli provision", "provision"),
    ("-m minilab.cli demo", "laptop"),
    ("-m minilab.cli local", "laptop"),
    ("-m minilab.cli up", "laptop"),
    ("-m minilab.cli query", QUERY),
    ("-m minilab.cli simulate", "simulation"),
    ("-m minilab.cli", "operator"),
    ("-m minilab_local.gateway.server", "ingest"),
    ("-m minilab_local.aws.server", None),
    ("-m minilab_local", "laptop"),
    ("-m minilab_dagster.run", "dagster-run"),
    ("-m minilab_dagster", "dagster-code"),
    ("-m dagster_webserver", "dagster-webserver"),
    ("-m dagster api execute_run", "dagster-run"),
    ("-m dagster api", "dagster-code"),
    ("-m dagster code-server", "dagster-code"),
    ("-m dagster._daemon", "dagster-daemon"),
    ("-m dagster", "dagster-daemon"),
    ("-c from dbt.cli.main import cli", "dbt"),
)

_MODULES: Sequence[tuple[str, str]] = (
    ("minilab_local", "laptop"),
    ("minilab_dagster", "dagster-run"),
    ("minilab.ingest", "ingest"),
    ("minilab.processing", "processor"),
    ("minilab.cli.process", "processor"),
    ("minilab.cli.land", "lander"),
    ("minilab.landing", "lander"),
    ("minilab.cli.provision", "provision"),
    ("minilab.provision", "provision"),
    ("minilab.cli.query", QUERY),
    ("minilab.cli.send", "simulation"),
    ("minilab.cli.simulate", "simulation"),
    ("minilab.simulation", "simulation"),
    ("minilab.cli", "operator"),
    ("minilab.failed", "operator"),
    ("minilab.tenants", "operator"),
)


def part_of_process(command: Sequence[str], parent: str | None) -> str | None:
    """``command`` is what stands after ``python``; None means that modules tell.

    A program that is not known works for the part that started it. Runs are forked from a process
    that the daemon starts; on AWS they are tasks with a role of their own.
    """
    line = " ".join(command)
    if "multiprocessing.forkserver" in line and parent == "dagster-daemon":
        return "dagster-run"
    for beginning, part in _PROCESSES:
        if line == beginning or line.startswith(
            (f"{beginning} ", f"{beginning}.", f"{beginning};")
        ):
            return part
    return parent


def part_of_modules(modules: Sequence[str]) -> str:
    """The part, by the project's modules on the stack, innermost first."""
    if _acting:
        return _acting[-1]
    if not modules:
        return TESTS
    if any("sensors" in name for name in modules if name.startswith("minilab_dagster.defs.")):
        return "dagster-code"
    if any(name.startswith("minilab_local.athena") for name in modules):
        for_analysts = any(name.startswith(_WORKGROUP) and "-analysts" in name for name in modules)
        return ATHENA_FOR_ANALYSTS if for_analysts else ATHENA
    for name in reversed(modules):
        for beginning, part in _MODULES:
            if name == beginning or name.startswith(f"{beginning}."):
                return part
    return LIBRARY
