"""All stacks of one environment, applied as infra/README.md tells a person to.

Only that stacks which need nothing of each other are applied at the same time: most of it is the
provider waiting for AWS.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, TypeVar

from cloud import MANAGEMENT, Cloud
from terraform import Result, Terraform

ENVIRONMENT = "dev"
NEEDS: dict[str, tuple[str, ...]] = {
    "organization": (),
    "security": ("organization",),
    "network": ("organization",),
    "shared-services": ("network",),
    "ingestion": ("network",),
    "events": ("shared-services", "ingestion"),
    "analytics": ("shared-services",),
    "orchestration": ("shared-services", "ingestion"),
    "monitoring": ("events", "analytics", "orchestration"),
}
"""The stacks after bootstrap, in the order of apply, each with those that make what it looks up."""
ORDER = tuple(NEEDS)

LATTICE_SERVICES = {"ingestion": "ingest", "orchestration": "dagster"}
"""By stack, the service that it runs in the service network."""

FROM_THE_SECOND_APPLY = {
    "orchestration": (f"-var=image_digest=sha256:{'1' * 64}",),
    "monitoring": ("-var=dagster_runs=true",),
}
"""What a person writes into a stack's variables once there is an image; moto starts nothing."""

_AT_ONCE = 4
"""Terraform takes up to 2 GB for a stack."""

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

    def apply(stack: str) -> None:
        deployment.init(stack)
        deployment.apply(stack)

    for_each_stack("apply", NEEDS, apply)
    plans = for_each_stack("plan", dict.fromkeys(("bootstrap", *ORDER), ()), deployment.plan)
    deployment.settled.update(plans)
    return deployment


T = TypeVar("T")


def for_each_stack(
    what: str, needs: Mapping[str, Collection[str]], do: Callable[[str], T]
) -> dict[str, T]:
    """Do something for every stack once it is done for those that the stack needs.

    Says how long each took, as soon as it is known.

    Raises:
        AssertionError: the first failure, after whatever runs beside it has ended.
    """

    def timed(stack: str) -> T:
        started = time.monotonic()
        result = do(stack)
        told = f"▸ {what} {stack}: {time.monotonic() - started:.0f} s"
        print(told, file=sys.stderr, flush=True)
        return result

    order = TopologicalSorter(needs)
    order.prepare()
    results: dict[str, T] = {}
    running: dict[Future[T], str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            while order.is_active():
                running |= {pool.submit(timed, stack): stack for stack in order.get_ready()}
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    stack = running.pop(future)
                    results[stack] = future.result()
                    order.done(stack)
        finally:
            pool.shutdown(cancel_futures=True)
    return results
