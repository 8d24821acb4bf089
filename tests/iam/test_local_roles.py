"""Terraform's roles on the laptop: what they are called there, and that a shell can take them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minilab.errors import MinilabError
from minilab.settings import Settings
from minilab_local import stack
from minilab_local.dagster.process import ROLES as ROLES_OF_DAGSTER
from minilab_local.dagster.process import RUN_ROLE, parts, prepare_home
from minilab_local.iam.roles import FILE, Roles, roles_of
from minilab_local.services import API_ROLE, PROCESSOR_ROLE
from tests.iam.conftest import ACCOUNT, Aws, refused_by

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / FILE).read_text()


def test_every_part_has_its_role_in_the_file() -> None:
    assert {API_ROLE, PROCESSOR_ROLE, *ROLES_OF_DAGSTER} <= json.loads(TEXT).keys()


def test_a_role_is_named_after_this_deployment() -> None:
    settings = Settings(env="mine", database_prefix="lab", region="eu-west-1")
    roles = roles_of(TEXT, settings, ACCOUNT)
    run = roles[RUN_ROLE]
    assert run.name == "minilab-mine-dagster-run"
    text = json.dumps([run.trust, run.policies])
    assert f"arn:aws:sqs:eu-west-1:{ACCOUNT}:minilab-mine-billing" in text
    assert "arn:aws:s3:::minilab-mine-lake/raw/*" in text
    assert f"arn:aws:glue:eu-west-1:{ACCOUNT}:table/lab_staging/*" in text
    assert f"arn:aws:athena:eu-west-1:{ACCOUNT}:workgroup/primary" in text
    assert not [role for role in roles.values() if re.search(r"\$\{", json.dumps(role.policies))]


def test_what_a_variable_of_iam_is_stays() -> None:
    """``${aws:…}`` is IAM's own, and not the file's."""
    policies = {"use": {"Resource": "arn:aws:s3:::${environment}/${aws:PrincipalTag/team}"}}
    text = json.dumps({"one": {"name": "one", "trust": {}, "policies": policies}})
    found = roles_of(text, Settings(env="mine"), ACCOUNT)["one"].policies["use"]["Resource"]
    assert found == "arn:aws:s3:::mine/${aws:PrincipalTag/team}"


@pytest.fixture
def roles(aws: Aws) -> Callable[..., Roles]:
    def made(root: Path = ROOT, **settings: str) -> Roles:
        environment = {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_REGION": "us-east-1"}
        return Roles(root, environment | settings)

    return made


def test_roles_are_made_taken_and_made_again(aws: Aws, roles: Callable[..., Roles]) -> None:
    ours = roles(MINILAB_ENV="made")
    with pytest.raises(MinilabError, match="minilab-made-ingest has not been made"):
        ours.assume("ingest")
    ours.make()
    session = ours.assume("ingest")
    keys = {
        "aws_access_key_id": session["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": session["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": session["AWS_SESSION_TOKEN"],
    }
    who = aws.client("sts", **keys).get_caller_identity()["Arn"]
    assert who == f"arn:aws:sts::{ACCOUNT}:assumed-role/minilab-made-ingest/laptop"

    # What was changed by hand is as in the file again.
    iam, name = aws.client("iam"), "minilab-made-ingest"
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
    iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=document)
    iam.put_role_policy(RoleName=name, PolicyName="use", PolicyDocument=document)
    aws.client("s3", **keys).list_buckets()
    ours.make()
    assert "s3:ListAllMyBuckets" in refused_by(aws.client("s3", **keys).list_buckets)


def test_a_role_that_is_not_in_the_file(roles: Callable[..., Roles]) -> None:
    with pytest.raises(MinilabError, match="no role 'boss'") as raised:
        roles().assume("boss")
    assert "operator, processor, administrator" in str(raised.value.hint)


def test_a_folder_without_the_file(roles: Callable[..., Roles], tmp_path: Path) -> None:
    with pytest.raises(MinilabError, match=r"no infra.generated.role_policies\.json"):
        roles(tmp_path)


def test_each_part_of_dagster_has_its_own_keys(tmp_path: Path) -> None:
    credentials = {role: {"AWS_ACCESS_KEY_ID": f"key of {role}"} for role in ROLES_OF_DAGSTER}
    home = prepare_home(tmp_path, credentials)
    environ = {"DAGSTER_HOME": str(home), "AWS_ACCESS_KEY_ID": "root's"}
    started = parts(ROOT, environ, "http://127.0.0.1:3000", credentials)
    assert {part.environ["AWS_ACCESS_KEY_ID"] for part in started} == {
        "key of dagster-code",
        "key of dagster-daemon",
        "key of dagster-webserver",
    }
    assert "key of dagster-run" in (home / "dagster.yaml").read_text()
    together = parts(ROOT, environ, "http://127.0.0.1:3000", {})
    assert [part.environ["AWS_ACCESS_KEY_ID"] for part in together] == ["root's"]


# The commands


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    stack.stop(home)


def minilab(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "minilab.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "MINILAB_HOME": str(home), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_commands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up = minilab(home, "local", "up", "--detach", "--no-provision", "--enforce-iam")
    assert "IAM is enforced" in up.stderr, up.stderr
    status: dict[str, Any] = json.loads(minilab(home, "local", "status", "--json").stdout)
    assert status["enforces_iam"]
    assert "refused: 0" in minilab(home, "local", "status").stdout
    assert minilab(home, "local", "denials").returncode == 0

    environment = json.loads(
        minilab(home, "local", "env", "--role", "dagster-webserver", "--json").stdout
    )
    denied = minilab(home, "tenants", "list", **environment)
    said = "minilab-dev-dagster-webserver/laptop is not authorized to perform: dynamodb:Scan on"
    assert denied.returncode == 1
    assert said in denied.stderr
    listed = minilab(home, "local", "denials")
    assert listed.returncode == 1
    assert "1 x  minilab-dev-dagster-webserver may not dynamodb:Scan on arn" in listed.stdout
    assert "refused: 1" in minilab(home, "local", "status").stdout

    analyst = json.loads(minilab(home, "local", "env", "--role", "analyst", "--json").stdout)
    settings = [name for name in analyst if name not in environment]
    assert settings == ["MINILAB_ATHENA_WORKGROUP", "MINILAB_RESULTS_BUCKET"]
    root = minilab(home, "local", "env", "--role", "administrator", **analyst).stdout
    assert root.splitlines()[-3:] == [
        "unset AWS_SESSION_TOKEN",
        "unset MINILAB_ATHENA_WORKGROUP",
        "unset MINILAB_RESULTS_BUCKET",
    ]
    unknown = minilab(home, "local", "env", "--role", "boss")
    assert "There is no role 'boss'" in unknown.stderr


def test_a_stack_that_does_not_enforce_is_not_changed(home: Path) -> None:
    stack.start(home)
    up = minilab(home, "local", "up", "--detach", "--no-provision", "--enforce-iam")
    assert up.returncode == 1
    assert "does not enforce IAM" in up.stderr
    assert stack.status(home).healthy
    for command in (["denials"], ["env", "--role", "ingest"]):
        assert "does not enforce IAM" in minilab(home, "local", *command).stderr
