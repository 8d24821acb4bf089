"""Where the dbt project lies, and its manifest, parsed only when something in it changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from minilab.errors import MinilabError

_SOURCES = (".sql", ".yml", ".yaml", ".csv", ".md", ".py")
_NOT_SOURCES = ("target", "logs", "dbt_packages")
# dbt writes the values of the profile's variables into what it parsed.
_ENVIRONMENT = ("MINILAB_", "AWS_REGION", "AWS_DEFAULT_REGION", "DBT_")
_NOT_ENVIRONMENT = ("MINILAB_HOME", "MINILAB_KAFKA_BOOTSTRAP_SERVERS")


class DbtParseError(MinilabError):
    """dbt cannot read its project."""


def project_dir() -> Path:
    """``MINILAB_DBT_PROJECT_DIR``, or the checkout's ``dbt_athena/``."""
    if override := os.environ.get("MINILAB_DBT_PROJECT_DIR"):
        return Path(override)
    return Path(__file__).resolve().parents[1] / "dbt_athena"


def target_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the manifest lies; one folder per set of names, so that deployments do not collide."""
    values = os.environ if environ is None else environ
    names = "-".join(
        [values.get("MINILAB_ENV") or "dev", values.get("MINILAB_DATABASE_PREFIX") or "minilab"]
    )
    return project_dir() / "target" / f"dagster-{names}"


def ensure_manifest(on_progress: Callable[[str], None] | None = None) -> Path:
    """The manifest's path; parses the project first if the manifest is missing or stale.

    Needs neither AWS nor credentials. Safe to call from several processes at once: one parses,
    the others wait.

    Raises:
        DbtParseError: dbt cannot parse the project; the message holds what dbt said.
    """
    target = target_dir()
    manifest, stamp = target / "manifest.json", target / "fingerprint"
    wanted = fingerprint(project_dir(), os.environ)
    if _is_fresh(manifest, stamp, wanted):
        return manifest
    target.mkdir(parents=True, exist_ok=True)
    with _locked(target / ".lock"):
        if not _is_fresh(manifest, stamp, wanted):
            if on_progress is not None:
                on_progress("parsing the dbt project")
            _parse(target)
            stamp.write_text(wanted)
    return manifest


def fingerprint(project: Path, environ: Mapping[str, str]) -> str:
    """A hash over all that a manifest is made from: files, dbt's versions, environment."""
    digest = hashlib.sha256()
    for package in ("dbt-core", "dbt-athena"):
        digest.update(f"{package}={version(package)}\0".encode())
    for name in sorted(environ):
        if name.startswith(_ENVIRONMENT) and name not in _NOT_ENVIRONMENT:
            digest.update(f"{name}={environ[name]}\0".encode())
    for path in sorted(project.rglob("*")):
        inside = path.relative_to(project)
        if inside.parts[0] in _NOT_SOURCES or path.suffix not in _SOURCES or not path.is_file():
            continue
        digest.update(f"{inside.as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_fresh(manifest: Path, stamp: Path, wanted: str) -> bool:
    return manifest.is_file() and stamp.is_file() and stamp.read_text() == wanted


def _parse(target: Path) -> None:
    # A process of its own: dbt keeps state per process, and this one may be a code server.
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--quiet", "parse"),
            *("--project-dir", str(project_dir()), "--profiles-dir", str(project_dir())),
            *("--target-path", str(target), "--log-path", str(target)),
        ],
        cwd=project_dir(),
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DbtParseError(
            f"dbt cannot parse {project_dir()}:\n{done.stdout.strip()}",
            hint="Correct the file that dbt names; `cd dbt_athena && dbt parse` shows it again.",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
