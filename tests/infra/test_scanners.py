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

# By type of resource and issue, a word of the detail: what parliament cannot know.
NO_FINDING = {
    ("aws_iam_role", "MALFORMED"): "neither Resource",  # a trust policy has none
    ("aws_iam_role", "UNKNOWN_FEDERATION_SOURCE"): "token.actions.githubusercontent.com",
    ("aws_kms_key", "MISMATCHED_TYPE"): "ArnEquals",  # AWS's own example for log groups has it
    ("aws_kms_key", "RESOURCE_STAR"): "kms:",  # within a key's policy, * is that key
    ("aws_vpclattice_auth_policy", "RESOURCE_STAR"): "vpc-lattice-svcs:Invoke",  # the outer wall
    # In AWS's reference since, and not in parliament's copy of it.
    ("aws_vpclattice_auth_policy", "UNKNOWN_CONDITION_FOR_ACTION"): "vpc-lattice-svcs:Request",
}


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
    findings = [
        (name, issue, detail)
        for name, issue, detail in json.loads(done.stdout)
        if NO_FINDING.get((name.split()[0], issue), "\0") not in detail
    ]
    assert findings == []
