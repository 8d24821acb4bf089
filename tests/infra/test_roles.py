"""Least privilege, held against what the code was seen to do.

The tests of ingestion and of the processor are run and their AWS calls recorded
(``tests.support.aws_calls``); a role may do exactly that. Where it is otherwise is written here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from deployment import Deployment
from plans import listed, of_type, policies

from tests.support.aws_calls.recording import permissions, read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

Pairs = set[tuple[str, str]]

WATCHED = ("tests/accounts", "tests/ingest", "tests/processing")

# A second deployment that a test makes beside its own, which the recording knows by name.
_OTHER_DEPLOYMENT = re.compile(r"minilab-t[0-9a-f]+x?-")

# Lambda does this with the role, or KMS for it; no call of the code shows it.
NOT_CALLED = ("ec2:", "kms:", "logs:", "xray:")
# Of each part: what its tests do not provoke, and why it is needed all the same.
UNSEEN: dict[str, Pairs] = {
    "ingest": set(),
    "processor": {
        # bus.failed_queue.encode, for originals that no message carries.
        ("s3:PutObject", "arn:aws:s3:::minilab-${env}-lake/claims/*"),
    },
}


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pairs]:
    """What each part did, as pairs of action and resource."""
    folder = tmp_path_factory.mktemp("calls")
    recorded = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.aws_calls", "run", str(folder), "-m", "pytest"),
            *("-q", "-p", "no:cacheprovider", "-m", "not slow", *WATCHED),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert recorded.returncode == 0, recorded.stdout[-3000:]
    return {
        part: {
            (action, _OTHER_DEPLOYMENT.sub("minilab-${env}-", resource))
            for action in by_action
            for resource in by_action[action]
        }
        for part, by_action in permissions(read(folder)).items()
    }


def allowed(deployment: Deployment, stack: str, role: str) -> Pairs:
    """What a role's policy allows, with names as the recording has them."""
    pairs = set()
    for resource in of_type(deployment.settled[stack], "aws_iam_role_policy"):
        if resource.values["role"] != role:
            continue
        for _, policy in policies(resource):
            for statement in policy["Statement"]:
                if statement["Effect"] == "Allow":
                    pairs |= {
                        (action, without_place(arn))
                        for action in listed(statement["Action"])
                        for arn in listed(statement["Resource"])
                    }
    return pairs


def without_place(arn: str) -> str:
    """An ARN without region, account, environment and Kafka cluster."""
    arn = re.sub(r"^(arn:aws:[a-z0-9-]+):[a-z0-9-]+:\d{12}:", r"\1:*:*:", arn)
    arn = re.sub(r":(cluster|topic)/minilab-dev/\*", r":\1/*", arn)
    return re.sub(r"minilab-dev-(.*?)(-\d{12})?(?=/|$)", r"minilab-${env}-\1", arn)


def checked(pairs: Pairs, *but: str) -> Pairs:
    return {pair for pair in pairs if not pair[0].startswith(but)}


@pytest.mark.parametrize(("part", "stack"), [("ingest", "ingestion"), ("processor", "events")])
def test_a_role_may_do_what_its_code_does_and_no_more(
    deployment: Deployment, used: dict[str, Pairs], part: str, stack: str
) -> None:
    may = checked(allowed(deployment, stack, f"minilab-dev-{part}"), *NOT_CALLED)
    does = used[part]
    assert does - may == set(), "the code does what its role may not"
    assert may - does == UNSEEN[part], "the role may do what the code was not seen to do"
