"""The main job under the roles that Terraform makes: all of it works, and each part has its own.

An event goes through the API, the processor, the buses, landing, dbt and the report; each part is
a process with the keys of its role, started as anybody would start it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from minilab_local import stack
from minilab_local.dagster.process import CODE_ROLE, RUN_ROLE, prepare_home
from minilab_local.iam.roles import OPERATOR

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
SECONDS = 120

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Laptop:
    """A stack that enforces IAM, with both services; ``root`` may do everything in it."""

    home: Path
    root: dict[str, str]

    def run(self, *command: str, role: str | None = None, **more: str) -> Any:
        keys = stack.credentials(self.home, role)[role] if role else {}
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, "MINILAB_HOME": str(self.home), **self.root, **keys, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.root["AWS_ENDPOINT_URL"],
            region_name=self.root["AWS_REGION"],
            aws_access_key_id=self.root["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.root["AWS_SECRET_ACCESS_KEY"],
        )

    def post(self, key: str, *events: dict[str, Any]) -> int:
        """Send events by the API, once; the status of its answer."""
        request = urllib.request.Request(
            f"{self.root['MINILAB_API_URL']}/v1/events",
            data=json.dumps(events).encode(),
            headers={
                "authorization": f"Bearer {key}",
                "content-type": "application/cloudevents-batch+json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code

    def denials(self) -> set[tuple[str, str]]:
        """Who was refused what."""
        return {(denial["role"], denial["action"]) for denial in stack.denials(self.home)}

    @contextmanager
    def without(self, role: str, action: str) -> Iterator[None]:
        """Take an action from a role for a while."""
        iam, name = self.client("iam"), f"minilab-dev-{role}"
        refuses = {"Effect": "Deny", "Action": action, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [refuses]})
        iam.put_role_policy(RoleName=name, PolicyName="taken", PolicyDocument=document)
        try:
            yield
        finally:
            iam.delete_role_policy(RoleName=name, PolicyName="taken")


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("MINILAB_HOME", str(home))
        try:
            root = stack.start(home, owner=os.getpid(), enforce_iam=True)
            here = Laptop(home, root)
            provisioned = here.run("-m", "minilab.cli", "provision")
            assert provisioned.returncode == 0, provisioned.stderr
            roles = stack.roles(home)
            assert roles is not None
            roles.make()
            prepare_home(home, {})
            yield Laptop(home, stack.start_services(home))
        finally:
            stack.stop(home)


@pytest.fixture(scope="module")
def key(laptop: Laptop) -> str:
    """An API key."""
    made = laptop.run("-m", "minilab.cli", "tenants", "create", "acme", role=OPERATOR)
    assert made.returncode == 0, made.stderr
    return str(made.stdout.split()[-1])


def wait_for(condition: Callable[[], Any], why: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.2)


def page_view(name: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/iam",
        "type": "product.page_viewed.v1",
        "data": {"user_id": "u1", "session_id": "s1", "path": "/"},
    }


def cancellation(name: str) -> dict[str, Any]:
    data = {
        "subscription_id": name,
        "plan": "team",
        "previous_mrr_cents": 1900,
        "currency": "USD",
        "reason": "price",
        "cancelled_at": "2026-01-31T12:00:00Z",
    }
    return page_view(name) | {"type": "billing.subscription_cancelled.v1", "data": data}


def broken(name: str) -> dict[str, Any]:
    return page_view(name) | {"data": {}}


def messages(laptop: Laptop, queue: str) -> int:
    sqs = laptop.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(map(int, found.values()))


def test_the_main_job_under_its_roles(laptop: Laptop, key: str) -> None:
    events = [
        *(page_view(f"p{n}") for n in range(20)),
        *(cancellation(f"c{n}") for n in range(20)),
        *(broken(f"b{n}") for n in range(5)),
    ]
    assert laptop.post(key, *events) == 207
    wait_for(lambda: messages(laptop, "minilab-dev-ingest.fifo") == 0, "the processor's work")

    environ = {"DAGSTER_HOME": str(laptop.home / "dagster")}
    run = laptop.run("-m", "minilab_dagster.run", "--json", role=RUN_ROLE, **environ)
    assert run.returncode == 0, run.stderr[-3000:]
    outcome = json.loads(run.stdout)
    assert {each["stream"]: each["events"] for each in outcome["landed"]} == {
        "billing": 20,
        "product": 20,
        "webhooks": 0,
    }
    assert outcome["failures"]["failed"] == {"contract_violation": 5}
    assert Path(outcome["report"]).is_file()
    staged = "select count(*) as n from minilab_staging.stg_events"
    asked = laptop.run("-m", "minilab.cli", "query", "--format", "json", staged, role=RUN_ROLE)
    assert json.loads(asked.stdout) == [{"n": 40}], asked.stderr
    asked = laptop.run(*("-m", "minilab.cli", "query", "--format", "json", staged), role="analyst")
    assert json.loads(asked.stdout) == [{"n": 40}], asked.stderr
    assert laptop.denials() == set()


def test_an_analyst_asks_what_is_theirs_to_know(laptop: Laptop) -> None:
    raw = "select count(*) as n from minilab_raw.events"
    asked = laptop.run("-m", "minilab.cli", "query", raw, role="analyst")
    assert asked.returncode == 1
    said = "minilab-dev-analyst/laptop is not authorized to perform: glue:GetTable on resource: "
    assert f"{said}arn:aws:glue:us-east-1:{ACCOUNT}:table/minilab_raw/events" in " ".join(
        asked.stderr.split()
    )


LOOK = """
from minilab.events.registry import load_registry
from minilab.landing import backlog
from minilab.settings import Settings

registry = load_registry()
for stream in registry.streams:
    print(backlog(Settings.from_env(), registry, stream))
"""


def test_an_operator_looks_after_what_failed(laptop: Laptop, key: str) -> None:
    before = laptop.denials()
    listed = laptop.run("-m", "minilab.cli", "failed", "list", "--json", role=OPERATOR)
    assert listed.returncode == 0, listed.stderr
    assert len(json.loads(listed.stdout)) == 5
    again = laptop.run(
        *("-m", "minilab.cli", "failed", "replay", "--reason", "contract_violation", "--yes"),
        role=OPERATOR,
    )
    assert again.returncode == 0, again.stderr
    for command in ("list", "rotate acme"):
        done = laptop.run("-m", "minilab.cli", "tenants", *command.split(), role=OPERATOR)
        assert done.returncode == 0, done.stderr
    assert laptop.denials() == before
    landed = laptop.run("-m", "minilab.cli", "land", "--stream", "product", role=OPERATOR)
    assert landed.returncode == 1
    assert "minilab-dev-operator/laptop is not authorized to perform" in landed.stderr


def test_the_sensors_under_their_role(laptop: Laptop) -> None:
    """What the code server does with the buses, in a process with its keys."""
    before = laptop.denials()
    looked = laptop.run("-c", LOOK, role=CODE_ROLE)
    assert looked.returncode == 0, looked.stderr
    assert laptop.denials() == before
    with laptop.without(CODE_ROLE, "sqs:GetQueueAttributes"):
        assert laptop.run("-c", LOOK, role=CODE_ROLE).returncode != 0
    assert ("minilab-dev-dagster-code", "sqs:GetQueueAttributes") in laptop.denials()


def test_the_api_has_the_role_of_the_api(laptop: Laptop, key: str) -> None:
    with laptop.without("ingest", "sqs:SendMessage"):
        assert laptop.post(key, page_view("x1")) == 503
    assert ("minilab-dev-ingest", "sqs:SendMessage") in laptop.denials()


def test_the_processor_has_the_role_of_the_processor(laptop: Laptop, key: str) -> None:
    def refused() -> bool:
        return ("minilab-dev-processor", "sqs:SendMessage") in laptop.denials()

    with laptop.without("processor", "sqs:SendMessage"):
        laptop.post(key, cancellation("x2"))
        wait_for(refused, "the processor sends to the stream's queue")


def test_a_run_says_who_may_not_do_what_on_what(laptop: Laptop, key: str) -> None:
    """An event lands when the action is given back: nothing was lost meanwhile."""
    laptop.post(key, page_view("x3"))
    wait_for(lambda: messages(laptop, "minilab-dev-ingest.fifo") == 0, "the processor's work")
    with laptop.without(RUN_ROLE, "dynamodb:UpdateItem"):
        landed = laptop.run("-m", "minilab.cli", "land", role=RUN_ROLE)
    assert landed.returncode != 0
    assert (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/minilab-dev-dagster-run/laptop is not "
        "authorized to perform: dynamodb:UpdateItem on resource: arn:aws:dynamodb:us-east-1:"
        f"{ACCOUNT}:table/minilab-dev-landing-ledger with an explicit deny in an identity-based "
        "policy"
    ) in " ".join(landed.stderr.split())
    again = laptop.run("-m", "minilab.cli", "land", role=RUN_ROLE)
    assert again.returncode == 0, again.stderr
