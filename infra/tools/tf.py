"""Terraform on one stack of one environment, with that environment's state and variables.

    infra/tf ENVIRONMENT STACK COMMAND [ARGUMENTS…]

    infra/tf dev bootstrap begin              first of all: apply with the state on disk
    infra/tf dev bootstrap move               then move the state to the bucket that this made
    infra/tf dev network plan
    infra/tf dev network apply
    infra/tf dev ingestion output api_url
    infra/tf dev organization profiles        sections for ~/.aws/config, one for each account
    infra/tf dev ingestion exports            what programs in that account are told, to be eval'ed

``exports`` sets AWS_PROFILE to the account's, and keeps the one from before in INFRA_AWS_PROFILE,
which ``infra/tf`` goes on with. Every other command and argument is Terraform's own. Each
environment has a folder of its own within ``.terraform``, so that one's state is never taken for
the other's.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INFRA = Path(__file__).resolve().parents[1]
WITH_VARIABLES = {"apply", "console", "destroy", "import", "plan", "refresh"}
ACCOUNT_OF = {
    "analytics": "shared-services",
    "events": "team-b",
    "ingestion": "team-a",
    "orchestration": "shared-services",
    "shared-services": "shared-services",
}
"""By stack that outputs ``environment``: the account whose programs are told."""

_LOCAL_BACKEND = """terraform {{
  backend "local" {{
    path = "{environment}.tfstate"
  }}
}}
"""


class Refused(Exception):
    """What was asked cannot be done; the message says what to do instead."""


@dataclass(frozen=True)
class Stack:
    """One stack of one environment."""

    environment: str
    name: str
    infra: Path = INFRA

    @property
    def folder(self) -> Path:
        return self.infra / "stacks" / self.name

    @property
    def variables(self) -> list[str]:
        values = f"../../environments/{self.environment}"
        return [f"-var-file={values}/common.tfvars", f"-var-file={values}/{self.name}.tfvars"]

    @property
    def backend(self) -> list[str]:
        return [
            f"-backend-config=../../environments/{self.environment}/backend.hcl",
            f"-backend-config=key={self.name}.tfstate",
        ]

    @property
    def override(self) -> Path:
        """Keeps the state on disk while it exists."""
        return self.folder / "backend_override.tf"

    def terraform(self, *arguments: str, check: bool = True) -> int:
        """Run Terraform in the stack's folder, as if it were called there."""
        done = subprocess.run(["terraform", *arguments], cwd=self.folder, env=self._environ())
        if check and done.returncode:
            raise SystemExit(done.returncode)
        return done.returncode

    def output(self, name: str) -> object:
        """One output's value, from the state."""
        done = subprocess.run(
            ["terraform", "output", "-json", name],
            cwd=self.folder,
            env=self._environ(),
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.returncode)
        return json.loads(done.stdout)

    def _environ(self) -> dict[str, str]:
        """Terraform's environment: a folder for this one's state, and who deploys."""
        environ = {**os.environ, "TF_DATA_DIR": f".terraform/{self.environment}"}
        if "INFRA_AWS_PROFILE" in environ:
            environ["AWS_PROFILE"] = environ["INFRA_AWS_PROFILE"]
        return environ


def stack_of(environment: str, name: str, infra: Path = INFRA) -> Stack:
    """
    Raises:
        Refused: there is no such environment or stack.
    """
    for kind, asked in (("environments", environment), ("stacks", name)):
        there = sorted(path.name for path in (infra / kind).iterdir())
        if asked not in there:
            raise Refused(f"There is no {asked!r} among the {kind}: {', '.join(there)}.")
    return Stack(environment, name, infra)


def run(stack: Stack, command: str, arguments: Sequence[str]) -> int:
    """What the command line does; returns how it ended."""
    if command in ("begin", "move") and stack.name != "bootstrap":
        raise Refused(f"Only bootstrap has {command!r}: the other stacks' state is in the bucket.")
    if command == "begin":
        return _begin(stack)
    if stack.override.exists():
        raise Refused(f"{stack.override} keeps the state on disk. Delete it, and try again.")
    if command == "move":
        _check_bucket(stack)
        return stack.terraform("init", "-migrate-state", *stack.backend)

    _check_bucket(stack)
    quiet = subprocess.run(
        ["terraform", "init", "-input=false", "-reconfigure", *stack.backend],
        cwd=stack.folder,
        env=stack._environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if quiet.returncode:
        raise Refused(quiet.stdout)
    if command == "init":
        return 0
    if command == "profiles":
        print(profiles(stack), end="")
        return 0
    if command == "exports":
        print(exports(stack), end="")
        return 0
    variables = stack.variables if command in WITH_VARIABLES else []
    if command == "apply" and arguments and (stack.folder / arguments[-1]).is_file():
        variables = []  # a saved plan has its own
    return stack.terraform(command, *variables, *arguments, check=False)


def _begin(stack: Stack) -> int:
    stack.override.write_text(_LOCAL_BACKEND.format(environment=stack.environment))
    try:
        stack.terraform("init", "-input=false", "-reconfigure")
        return stack.terraform("apply", *stack.variables, check=False)
    finally:
        stack.override.unlink()


def _check_bucket(stack: Stack) -> None:
    path = stack.infra / "environments" / stack.environment / "backend.hcl"
    if re.search(r"-0{12}\"", path.read_text()):
        raise Refused(
            f"{path} still has the placeholder for the state bucket's name. Write the one that"
            f" `infra/tf {stack.environment} bootstrap begin` outputs into it."
        )


def profiles(stack: Stack) -> str:
    """A profile for each member account: the role that AWS makes with it, from our own profile."""
    if stack.name != "organization":
        raise Refused("The organization knows the accounts: infra/tf … organization profiles")
    accounts = stack.output("account_ids")
    assert isinstance(accounts, dict)
    own = _own_profile()
    return "\n".join(
        f"[profile minilab-{stack.environment}-{name}]\n"
        f"role_arn = arn:aws:iam::{account}:role/OrganizationAccountAccessRole\n"
        f"source_profile = {own}\n"
        f"region = {region(stack)}\n"
        for name, account in sorted(accounts.items())
        if name != "management"
    )


def exports(stack: Stack) -> str:
    """``export`` lines that make ``minilab`` a program of the stack's account."""
    if stack.name not in ACCOUNT_OF:
        raise Refused(f"{stack.name} tells programs nothing; {', '.join(ACCOUNT_OF)} do.")
    told = stack.output("environment")
    assert isinstance(told, Mapping)
    account = f"minilab-{stack.environment}-{ACCOUNT_OF[stack.name]}"
    values = {
        "INFRA_AWS_PROFILE": _own_profile(),
        "AWS_PROFILE": account,
        "AWS_REGION": region(stack),
        **told,
    }
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _own_profile() -> str:
    """The profile of whoever deploys."""
    environ = os.environ
    return environ.get("INFRA_AWS_PROFILE") or environ.get("AWS_PROFILE") or "default"


def region(stack: Stack) -> str:
    text = (stack.infra / "environments" / stack.environment / "common.tfvars").read_text()
    (found,) = re.findall(r'^region *= *"([^"]+)"', text, re.MULTILINE)
    return str(found)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 3 or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    environment, name, command, *rest = arguments
    try:
        return run(stack_of(environment, name), command, rest)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
