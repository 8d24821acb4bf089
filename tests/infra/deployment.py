"""All stacks of one environment, applied as infra/README.md tells a person to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloud import MANAGEMENT, Cloud
from terraform import Result, Terraform

ENVIRONMENT = "dev"
ORDER = (
    *("organization", "security", "network"),
    *("shared-services", "ingestion", "events", "analytics"),
    *("orchestration", "monitoring"),
)
"""The stacks after bootstrap, in the order of apply; destroyed in the reverse one."""

LATTICE_SERVICES = {"ingestion": "ingest", "orchestration": "dagster"}
"""By stack, the service that it runs in the service network."""

FROM_THE_SECOND_APPLY = {
    "orchestration": (f"-var=image_digest=sha256:{'1' * 64}",),
    "monitoring": ("-var=dagster_runs=true",),
}
"""What a person writes into a stack's variables once there is an image; moto starts nothing."""

_BUCKET = f"minilab-{ENVIRONMENT}-terraform-{MANAGEMENT}"
_LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'


@dataclass(frozen=True)
class Deployment:
    """An applied environment."""

    terraform: Terraform
    cloud: Cloud
    settled: dict[str, Any]
    """The second plan of each stack, as JSON: it should change nothing, and knows every value."""

    def run(
        self, stack: str, command: str, *arguments: str, ends: tuple[int, ...] = (0,)
    ) -> Result:
        """A Terraform command with the environment's variables."""
        folder = f"../../environments/{ENVIRONMENT}"
        files: tuple[str, ...] = (
            f"-var-file={folder}/common.tfvars",
            f"-var-file={folder}/{stack}.tfvars",
        )
        files += FROM_THE_SECOND_APPLY.get(stack, ())
        if stack in LATTICE_SERVICES:
            service = f"minilab-{ENVIRONMENT}-{LATTICE_SERVICES[stack]}"
            group = self.outputs("network")["services"][service]["target_group_arn"]
            files += (f"-var=lattice_target_group_arn={group}",)
        return self.terraform.run(
            f"stacks/{stack}", command, "-no-color", "-input=false", *files, *arguments, ends=ends
        )

    def apply(self, stack: str) -> None:
        self.run(stack, "apply", "-auto-approve")

    def plan(self, stack: str) -> Any:
        """A new plan, as JSON."""
        self.run(stack, "plan", "-out=plan")
        return self.terraform.json(f"stacks/{stack}", "show", "-json", "plan")

    def outputs(self, stack: str) -> dict[str, Any]:
        found = self.terraform.json(f"stacks/{stack}", "output", "-json")
        return {name: output["value"] for name, output in found.items()}

    def init(self, stack: str, *arguments: str) -> None:
        """Turn a stack to the state bucket."""
        backend = f"../../environments/{ENVIRONMENT}/backend.hcl"
        self.terraform.run(
            f"stacks/{stack}",
            *("init", "-no-color", "-input=false", f"-backend-config={backend}"),
            *(f"-backend-config=bucket={_BUCKET}", f"-backend-config=key={stack}.tfstate"),
            *arguments,
        )


def deploy(terraform: Terraform, cloud: Cloud) -> Deployment:
    """Apply bootstrap with its state on disk, move that to the bucket, then apply the others."""
    within = Terraform(terraform.binary, terraform.tree, terraform.environ | cloud.environ)
    deployment = Deployment(within, cloud, settled={})

    override = terraform.tree / "stacks" / "bootstrap" / "backend_override.tf"
    override.write_text(_LOCAL_BACKEND)
    within.run("stacks/bootstrap", "init", "-no-color", "-input=false")
    deployment.apply("bootstrap")
    override.unlink()
    deployment.init("bootstrap", "-migrate-state", "-force-copy")

    for stack in ORDER:
        deployment.init(stack)
        deployment.apply(stack)
    deployment.settled.update({stack: deployment.plan(stack) for stack in ("bootstrap", *ORDER)})
    return deployment
