"""Terraform as the tests run it: on a copy of ``infra/``, with no way to a real account.

Where AWS is mocked, all commands share one running provider: its start takes longer than most of
what they do. That cannot serve where something is applied, since each provider block of a stack is
a process of its own there, with its own account.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from infra.packages.settings import read_plan

INFRA = Path(__file__).resolve().parents[2] / "infra"
MODULES = sorted(path.name for path in (INFRA / "modules").iterdir())
STACKS = sorted(path.name for path in (INFRA / "stacks").iterdir())
ENVIRONMENTS = sorted(path.name for path in (INFRA / "environments").iterdir())

# Where people and images keep a mirror of providers, each one level above the mirror itself.
_PLACES = ("/opt", "/usr/local/lib", "/usr/local/share", "/usr/share", "~", "~/.terraform.d")


@dataclass(frozen=True)
class Result:
    """What one command printed, and how it ended."""

    code: int
    output: str
    """Standard output and error together."""


@dataclass(frozen=True)
class Terraform:
    """One binary, one copy of ``infra/``, one environment."""

    binary: str
    tree: Path
    environ: dict[str, str]

    def run(self, folder: str, *arguments: str, ends: tuple[int, ...] = (0,)) -> Result:
        """Run a command in a folder of the copy.

        Raises:
            AssertionError: it ended with a code that is not among ``ends``; carries the output.
        """
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.tree / folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        command = f"terraform {' '.join(arguments)} in {folder}"
        assert done.returncode in ends, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return Result(done.returncode, done.stdout)

    def json(self, folder: str, *arguments: str) -> Any:
        """What a command prints as one JSON document, which tells of its errors too.

        Raises:
            AssertionError: it printed something else; carries that.
        """
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.tree / folder,
            env=self.environ,
            capture_output=True,
            text=True,
        )
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:
            command = f"terraform {' '.join(arguments)} in {folder}"
            told = done.stdout + done.stderr
            raise AssertionError(f"{command} ended with {done.returncode}:\n{told}") from None

    def init(self, folder: str) -> None:
        """Install the provider and the modules, leaving the backend alone."""
        self.run(folder, "init", "-backend=false", "-input=false", "-no-color")

    def with_environ(self, environ: dict[str, str]) -> Terraform:
        """The same one with further variables."""
        return replace(self, environ=self.environ | environ)


def find_binary() -> str | None:
    """Terraform on the PATH."""
    return shutil.which("terraform")


def find_mirror() -> Path | None:
    """A directory that holds the AWS provider as ``<host>/hashicorp/aws/<version>/…``.

    ``TF_PROVIDER_MIRROR`` names one; otherwise the usual places are looked through.
    """
    if named := os.environ.get("TF_PROVIDER_MIRROR"):
        return Path(named)
    for place in _PLACES:
        for found in sorted(Path(place).expanduser().glob("*/*/hashicorp/aws/5.*")):
            return found.parents[3]
    return None


def prepare(folder: Path) -> Terraform | None:
    """Copy ``infra/`` into a folder and configure Terraform for it; None without Terraform.

    With no mirror, the first ``init`` reaches the public registry as any user's would. What it
    installs is the mirror of all others.
    """
    binary = find_binary()
    if binary is None:
        return None
    tree = folder / "infra"
    shutil.copytree(INFRA, tree, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    _copy_what_stacks_read(folder)
    config = folder / "terraform.rc"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "TF_")) and name.lower() not in {"http_proxy"}
    }
    environ |= {
        "TF_CLI_CONFIG_FILE": str(config),
        "TF_IN_AUTOMATION": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "GOGC": "400",  # a quarter less of processor time, for memory that is there
    }
    terraform = Terraform(binary, tree, environ)
    config.write_text(_configuration(find_mirror()))
    terraform.init(_FIRST)
    config.write_text(_configuration(_installed(terraform)))
    return terraform


@contextmanager
def running_provider(terraform: Terraform) -> Iterator[Terraform]:
    """Terraform with one provider for all its commands, none of which may configure it.

    The provider also ends when this process does.
    """
    (provider,) = _installed(terraform).glob("*/hashicorp/aws/*/*/terraform-provider-aws_*")
    process = subprocess.Popen(
        ["sh", "-c", '"$0" -debug & cat; kill $!', str(provider)],
        env=terraform.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        for line in process.stdout:
            if told := re.search(r"TF_REATTACH_PROVIDERS='(.+)'", line):
                break
        else:
            raise AssertionError(f"{provider} did not start")
        yield terraform.with_environ({"TF_REATTACH_PROVIDERS": told[1]})
    finally:
        process.stdin.close()
        process.wait(timeout=30)


_FIRST = "modules/kms-key"


def _installed(terraform: Terraform) -> Path:
    """Where the first ``init`` put the provider: laid out as a mirror is."""
    return terraform.tree / _FIRST / ".terraform" / "providers"


def _copy_what_stacks_read(folder: Path) -> None:
    """What lies outside ``infra/``: contracts, tables, and stand-ins for the functions' zips."""
    shutil.copytree(INFRA.parent / "contracts", folder / "contracts")
    (folder / "minilab").mkdir()
    shutil.copy(INFRA.parent / "minilab" / "dynamodb_tables.json", folder / "minilab")
    packages = folder / "dist" / "lambda"
    packages.mkdir(parents=True)
    plan = read_plan()
    for name in plan.packages:
        with ZipFile(packages / f"{name}.zip", "w") as archive:
            archive.writestr("nothing.py", "")
    manifest = {
        "runtime": f"python{plan.python}",
        "architecture": "arm64",
        "packages": {
            name: {
                "file": f"{name}.zip",
                "handler": spec.handler,
                "source_code_hash": "c3RhbmQtaW4=",
            }
            for name, spec in plan.packages.items()
        },
    }
    (packages / "manifest.json").write_text(json.dumps(manifest))


def _configuration(mirror: Path | None) -> str:
    """A CLI configuration that takes providers from a mirror, if there is one."""
    if mirror is None:
        return "disable_checkpoint = true\n"
    return f"""
disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["*/*/*"]
  }}
}}
"""
