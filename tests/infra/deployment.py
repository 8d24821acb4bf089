"""All stacks of one environment, applied as infra/README.md tells a person to (``infra/tf``).

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
from plans import changed
from terraform import Result, Terraform

from infra.tools.tf import Stack

ENVIRONMENT = "dev"
NEEDS: dict[str, tuple[str, ...]] = {
    "organization": (),
    "security": ("organization",),
    "network": ("organization",),
    "shared-services": ("network",),
    "ingestion": ("network",),
    "events": ("shared-services", "ingestion"),
    "analytics": ("shared-services",),
    "orchestration": ("shared-services",),
    "monitoring": ("ingestion",),
}
"""The stacks after bootstrap, in the order of apply, each with those that make what it looks up."""
ORDER = tuple(NEEDS)
NEEDED_BY = {
    stack: tuple(other for other, needs in NEEDS.items() if stack in needs) for stack in NEEDS
}

LATTICE_SERVICES = {"ingestion": "ingest", "orchestration": "dagster"}
"""By stack, the service that it runs in the service network."""

FROM_THE_SECOND_APPLY = {
    "orchestration": (f"-var=image_digest=sha256:{'1' * 64}",),
    "monitoring": ("-var=dagster_runs=true",),
}
"""What a person writes into a stack's variables once there is an image; moto starts nothing."""

_AT_ONCE = 5
"""Terraform takes up to 2 GB for a stack."""

_BUCKET = f"minilab-{ENVIRONMENT}-terraform-{MANAGEMENT}"
_LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'


T = TypeVar("T")
Step = tuple[str, str]
"""A command and the stack that it is for."""


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
        variables = [
            *Stack(ENVIRONMENT, stack).variables,
            *FROM_THE_SECOND_APPLY.get(stack, ()),
        ]
        if stack in LATTICE_SERVICES:
            service = f"minilab-{ENVIRONMENT}-{LATTICE_SERVICES[stack]}"
            group = self.outputs("network")["services"][service]["target_group_arn"]
            variables.append(f"-var=lattice_target_group_arn={group}")
        return self.terraform.run(
            f"stacks/{stack}",
            *(command, "-no-color", "-input=false", *variables, *arguments),
            ends=ends,
        )

    def apply(self, stack: str) -> None:
        self.run(stack, "apply", "-auto-approve")

    def apply_all(self, *stacks: str) -> None:
        """Apply stacks of which none looks up another."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.apply, stacks))

    def plan(self, stack: str) -> Any:
        """A new plan, as JSON."""
        self.run(stack, "plan", "-out=plan")
        return self.terraform.json(f"stacks/{stack}", "show", "-json", "plan")

    def changes(self, *stacks: str) -> dict[str, dict[str, tuple[str, ...]]]:
        """What new plans would do, by stack and address."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(stacks, map(changed, pool.map(self.plan, stacks)), strict=True))

    def outputs(self, stack: str) -> dict[str, Any]:
        found = self.terraform.json(f"stacks/{stack}", "output", "-json")
        return {name: output["value"] for name, output in found.items()}

    def init(self, stack: str, *arguments: str) -> None:
        """Turn a stack to the state bucket."""
        self.terraform.run(
            f"stacks/{stack}",
            *("init", "-no-color", "-input=false", *Stack(ENVIRONMENT, stack).backend),
            *(f"-backend-config=bucket={_BUCKET}", *arguments),
        )


def deploy(terraform: Terraform, cloud: Cloud) -> Deployment:
    """Apply bootstrap with its state on disk, move that to the bucket, then apply the others.

    A stack is planned again once those that look it up are applied too.
    """
    deployment = Deployment(terraform.with_environ(cloud.environ), cloud, settled={})
    in_order({("apply", "bootstrap"): ()}, lambda *_: _apply_bootstrap(deployment))

    def do(command: str, stack: str) -> Any:
        if command == "plan":
            return deployment.plan(stack)
        deployment.init(stack)
        return deployment.apply(stack)

    steps: dict[Step, tuple[Step, ...]] = {("plan", "bootstrap"): ()}
    for stack, needs in NEEDS.items():
        applied = (stack, *NEEDED_BY[stack])
        steps["apply", stack] = tuple(("apply", other) for other in needs)
        steps["plan", stack] = tuple(("apply", other) for other in applied)
    done = in_order(steps, do)
    deployment.settled.update(
        {stack: plan for (command, stack), plan in done.items() if command == "plan"}
    )
    return deployment


def _apply_bootstrap(deployment: Deployment) -> None:
    override = deployment.terraform.tree / "stacks" / "bootstrap" / "backend_override.tf"
    override.write_text(_LOCAL_BACKEND)
    deployment.terraform.run("stacks/bootstrap", "init", "-no-color", "-input=false")
    deployment.apply("bootstrap")
    override.unlink()
    deployment.init("bootstrap", "-migrate-state", "-force-copy")


def in_order(steps: Mapping[Step, Collection[Step]], do: Callable[[str, str], T]) -> dict[Step, T]:
    """Do each step once those that it needs are done, and say how long it took.

    Raises:
        AssertionError: the first failure, after whatever runs beside it has ended.
    """

    def timed(step: Step) -> T:
        started = time.monotonic()
        result = do(*step)
        told = f"▸ {' '.join(step)}: {time.monotonic() - started:.0f} s"
        print(told, file=sys.stderr, flush=True)
        return result

    order = TopologicalSorter(steps)
    order.prepare()
    results: dict[Step, T] = {}
    running: dict[Future[T], Step] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            while order.is_active():
                running |= {pool.submit(timed, step): step for step in order.get_ready()}
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    step = running.pop(future)
                    results[step] = future.result()
                    order.done(step)
        finally:
            pool.shutdown(cancel_futures=True)
    return results
