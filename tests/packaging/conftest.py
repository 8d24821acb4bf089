"""Fixtures of the packages: a checkout of our own making, and the interpreters that Lambda has."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.packages.settings import Architecture, Runtime, read_plan
from tests.packaging.checkout import copy_checkout


def _works(python: str | None) -> bool:
    if python is None:
        return False
    done = subprocess.run([python, "-c", "import zlib"], capture_output=True, check=False)
    return done.returncode == 0


def _find_python(version: str) -> str | None:
    """An interpreter of that version, also one that pyenv has installed but not chosen."""
    if _works(found := shutil.which(f"python{version}")):
        return found
    if shutil.which("pyenv") is None:
        return None
    told = subprocess.run(["pyenv", "prefix", version], capture_output=True, text=True, check=False)
    python = Path(told.stdout.strip(), "bin", f"python{version}")
    return str(python) if told.returncode == 0 and _works(str(python)) else None


@pytest.fixture(scope="session")
def here() -> tuple[Runtime, str]:
    """Lambda's runtime on this machine's processor, and an interpreter that packages for it run in.

    Where there is no interpreter of Lambda's version, it is this one's version.
    """
    architecture: Architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    plan = read_plan()
    if python := _find_python(plan.python):
        return plan.runtime(architecture), python
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return plan.runtime(architecture, version), sys.executable


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a package is built from, with a stand-in for a handler in it."""
    return copy_checkout(tmp_path / "checkout")
