"""``infra/tf``: what it calls Terraform with, and what it refuses to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from terraform import INFRA

# In Terraform's place: writes down how it was called, and answers `output -json` from a file.
STAND_IN = """#!/bin/sh
echo "$TF_DATA_DIR | $PWD | $*" >> "$CALLS"
case "$*" in
  "output -json "*) cat "$OUTPUTS/$3" ;;
  fail*) exit 7 ;;
esac
"""


class Tree:
    """A copy of what ``infra/tf`` reads, with a terraform that only takes notes."""

    def __init__(self, folder: Path) -> None:
        self.infra = folder / "infra"
        for name in ("environments", "tools"):
            shutil.copytree(INFRA / name, self.infra / name)
        for stack in (INFRA / "stacks").iterdir():
            (self.infra / "stacks" / stack.name).mkdir(parents=True)
        shutil.copy(INFRA / "tf", self.infra / "tf")
        self.backend = self.infra / "environments" / "dev" / "backend.hcl"
        self.backend.write_text(self.backend.read_text().replace("0" * 12, "1" * 12))
        self.calls, self.outputs = folder / "calls", folder / "outputs"
        self.outputs.mkdir()
        (folder / "bin").mkdir()
        stand_in = folder / "bin" / "terraform"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        self.environ = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "OUTPUTS": str(self.outputs),
        }

    def tf(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.infra / "tf", *arguments],
            cwd="/",
            env=self.environ | environ,
            capture_output=True,
            text=True,
        )

    def called(self) -> list[str]:
        """The commands and arguments, in their order."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line.split(" | ")[2] for line in lines]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_plan_has_its_environments_state_and_variables(tree: Tree) -> None:
    assert tree.tf("dev", "network", "plan", "-out=plan").returncode == 0
    init, plan = tree.called()
    assert init == (
        "init -input=false -reconfigure -backend-config=../../environments/dev/backend.hcl"
        " -backend-config=key=network.tfstate"
    )
    assert plan == (
        "plan -var-file=../../environments/dev/common.tfvars"
        " -var-file=../../environments/dev/network.tfvars -out=plan"
    )
    first = tree.calls.read_text().splitlines()[0]
    assert first.startswith(f".terraform/dev | {tree.infra / 'stacks' / 'network'} | ")


def test_what_takes_no_variables_gets_none(tree: Tree) -> None:
    tree.tf("dev", "ingestion", "output", "api_url")
    assert tree.called()[-1] == "output api_url"
    (tree.infra / "stacks" / "network" / "saved").touch()
    tree.tf("dev", "network", "apply", "saved")
    assert tree.called()[-1] == "apply saved"
    tree.tf("dev", "network", "apply", "-var", "role_name=minilab-terraform-apply")
    assert "dev/network.tfvars -var role_name=" in tree.called()[-1]


def test_it_ends_as_terraform_does(tree: Tree) -> None:
    assert tree.tf("dev", "network", "fail").returncode == 7


def test_bootstrap_begins_on_disk_and_moves_then(tree: Tree) -> None:
    tree.tf("dev", "bootstrap", "begin")
    tree.tf("dev", "bootstrap", "move")
    begin, apply, move = tree.called()
    assert begin == "init -input=false -reconfigure"
    assert apply.startswith("apply -var-file=../../environments/dev/common.tfvars ")
    assert move.startswith("init -migrate-state -backend-config=../../environments/dev/backend.hcl")
    assert not list((tree.infra / "stacks" / "bootstrap").glob("backend_override.tf"))


def test_the_profiles_reach_each_account(tree: Tree) -> None:
    accounts = {"management": "1" * 12, "team-a": "2" * 12}
    (tree.outputs / "account_ids").write_text(json.dumps(accounts))
    done = tree.tf("dev", "organization", "profiles", AWS_PROFILE="boss")
    assert done.stdout == (
        "[profile minilab-dev-team-a]\n"
        f"role_arn = arn:aws:iam::{'2' * 12}:role/OrganizationAccountAccessRole\n"
        "source_profile = boss\n"
        "region = eu-central-1\n"
    )


def test_the_exports_can_be_evaluated(tree: Tree) -> None:
    told = {"MINILAB_ENV": "dev", "MINILAB_KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2; rm -rf"}
    (tree.outputs / "environment").write_text(json.dumps(told))
    done = tree.tf("dev", "ingestion", "exports", AWS_PROFILE="boss")
    assert "export INFRA_AWS_PROFILE=boss\n" in done.stdout
    shell = 'eval "$1"; echo "$AWS_PROFILE $MINILAB_KAFKA_BOOTSTRAP_SERVERS"'
    said = subprocess.run(
        ["bash", "-c", shell, "-", done.stdout], capture_output=True, text=True, check=True
    )
    assert said.stdout == "minilab-dev-team-a a:1,b:2; rm -rf\n"


def test_it_goes_on_as_whoever_deploys(tree: Tree) -> None:
    """After the exports of an account were evaluated, too."""
    stand_in = Path(tree.environ["PATH"].split(":")[0]) / "terraform"
    stand_in.write_text('#!/bin/sh\necho "$AWS_PROFILE"\n')
    done = tree.tf(
        "dev", "network", "plan", AWS_PROFILE="minilab-dev-team-a", INFRA_AWS_PROFILE="boss"
    )
    assert done.stdout == "boss\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dev", "netwrok", "plan"), "no 'netwrok' among the stacks"),
        (("test", "network", "plan"), "no 'test' among the environments"),
        (("dev", "network", "begin"), "Only bootstrap has 'begin'"),
        (("dev", "network", "profiles"), "The organization knows the accounts"),
        (("dev", "security", "exports"), "security tells programs nothing"),
        (("prod", "network", "plan"), "still has the placeholder"),
        (("dev",), "infra/tf ENVIRONMENT STACK COMMAND"),
    ],
)
def test_what_cannot_be_done_is_told(tree: Tree, arguments: tuple[str, ...], said: str) -> None:
    done = tree.tf(*arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
