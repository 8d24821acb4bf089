"""What others' analysers say of infra/: checkov of the files, parliament of the rendered policies.

A check that does not hold for us is skipped beside the resource, with the reason. What parliament
is wrong about is listed here, with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from deployment import ORDER, Deployment
from plans import policies, resources
from terraform import INFRA

pytestmark = pytest.mark.timeout(1200)
SCANNERS = INFRA.parent / ".minilab" / "scanners" / "bin"
AUDIT = Path(__file__).parent / "audit_policies.py"

needs_scanners = pytest.mark.skipif(
    not (SCANNERS / "checkov").exists(), reason="run `make infra-test`, which installs checkov"
)

# Type of resource, issue, and a part of the detail: what parliament cannot know.
NO_FINDING = (
    # A trust policy has none.
    ("aws_iam_role", "MALFORMED", "neither Resource"),
    ("aws_iam_role", "UNKNOWN_FEDERATION_SOURCE", "token.actions.githubusercontent.com"),
    # What AWS's own policy for functions in a VPC lets them; the code itself is denied it by the
    # function that asks, which is a key of Lambda's and no key of EC2's.
    ("aws_iam_role_policy", "RESOURCE_STAR", "'ec2:CreateNetworkInterface'"),
    (
        "aws_iam_role_policy",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "lambda:SourceFunctionArn for action ec2:",
    ),
    # AWS lists it for the resource, a key; parliament looks at what is listed for the action.
    ("aws_iam_role_policy", "UNKNOWN_CONDITION_FOR_ACTION", "kms:ResourceAliases for action kms:"),
    # AWS's own example for log groups compares this part of the context as an ARN.
    ("aws_kms_key", "MISMATCHED_TYPE", "ArnEquals requires a value of type Arn but given String"),
    ("aws_kms_key", "MISMATCHED_TYPE", "ArnLike requires a value of type Arn but given String"),
    # Within a key's policy, * is that key.
    ("aws_kms_key", "RESOURCE_STAR", "kms:"),
    # AWS's own example of a cluster's policy has them so, each on the cluster itself.
    ("aws_msk_cluster_policy", "RESOURCE_MISMATCH", "'kafka:CreateVpcConnection'"),
    # Within a sink's policy, * is that sink.
    ("aws_oam_sink_policy", "RESOURCE_STAR", "oam:CreateLink"),
    # The outer wall: each service behind it names its callers.
    ("aws_vpclattice_auth_policy", "RESOURCE_STAR", "vpc-lattice-svcs:Invoke"),
    # In AWS's reference since, and not in parliament's copy of it.
    ("aws_vpclattice_auth_policy", "UNKNOWN_CONDITION_FOR_ACTION", "vpc-lattice-svcs:Request"),
)


def known(name: str, issue: str, detail: str) -> bool:
    """Whether a finding is among those that are none."""
    return any(
        name.startswith(f"{kind} ") and issue == other and part in detail
        for kind, other, part in NO_FINDING
    )


@needs_scanners
@pytest.mark.slow
def test_checkov_finds_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(str(SCANNERS / "checkov"), "--directory", str(INFRA), "--framework", "terraform"),
            *("--compact", "--skip-download", "--output", "json"),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    failed = report["results"]["failed_checks"]
    assert [(each["check_id"], each["resource"]) for each in failed] == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 300, "checkov has not seen the modules"
    for each in report["results"]["skipped_checks"]:
        assert len(each["check_result"]["suppress_comment"]) > 20, each["resource"]


@needs_scanners
@pytest.mark.parametrize("stack", ("bootstrap", *ORDER))
def test_parliament_finds_nothing_in_the_policies(deployment: Deployment, stack: str) -> None:
    rendered = {
        f"{resource.type} {name} {resource.address}": json.dumps(policy)
        for resource in resources(deployment.settled[stack])
        for name, policy in policies(resource)
    }
    assert rendered
    done = subprocess.run(
        [str(SCANNERS / "python"), "-W", "ignore", str(AUDIT)],
        input=json.dumps(list(rendered.items())),
        capture_output=True,
        text=True,
        check=True,
    )
    findings = [finding for finding in json.loads(done.stdout) if not known(*finding)]
    assert findings == []
