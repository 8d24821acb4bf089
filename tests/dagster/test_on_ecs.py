"""Dagster as infra/images/dagster/dagster.yaml has it: runs as tasks of ECS, their logs in S3.

The laptop's AWS has ECS's API and starts no container. What ECS would start, the test does: the
command that the launcher gave, in a process of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.ecs.utils import get_task_logs

from minilab.bus import open_publisher
from minilab_dagster import names
from minilab_dagster.defs.raw.partitions import current_key
from tests.support.aws_calls.parts import acting_as

ROOT = Path(__file__).resolve().parents[2]
OURS = yaml.safe_load((ROOT / "infra" / "images" / "dagster" / "dagster.yaml").read_text())
JOB = "__ASSET_JOB"
MIB = 1 << 20

pytestmark = [pytest.mark.usefixtures("lab_target"), pytest.mark.xdist_group("dagster-ecs")]


@dataclass(frozen=True)
class Ecs:
    """The cluster, and the task that the daemon would be."""

    cluster: str
    task: str
    log_group: str


@pytest.fixture(scope="module")
def ecs(lab: Any) -> Ecs:
    """What Terraform makes: cluster, task definitions, log group, bucket; and a running daemon."""
    name = f"minilab-{lab.settings.env}"
    client, ec2 = lab.client("ecs"), lab.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/28")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName=name, Description="x")["GroupId"]
    client.create_cluster(clusterName=name)
    for part in ("daemon", "run"):
        client.register_task_definition(
            family=f"{name}-dagster-{part}",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": part,
                    "image": "minilab-dagster",
                    "cpu": 256,  # moto adds them up
                    "memory": 512,
                    "logConfiguration": {
                        "logDriver": "awslogs",
                        "options": {
                            "awslogs-group": f"/minilab/{name}-dagster-{part}",
                            "awslogs-stream-prefix": part,
                        },
                    },
                }
            ],
        )
    task = client.run_task(
        cluster=name,
        taskDefinition=f"{name}-dagster-daemon",
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}
        },
    )["tasks"][0]
    lab.client("logs").create_log_group(logGroupName=f"/minilab/{name}-dagster-run")
    lab.client("s3").create_bucket(Bucket=f"{name}-dagster-logs")
    return Ecs(name, task["taskArn"], f"/minilab/{name}-dagster-run")


@pytest.fixture(scope="module")
def metadata_uri(ecs: Ecs) -> Iterator[str]:
    """What the agent of ECS tells a container of its task."""

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Cluster": ecs.cluster, "TaskARN": ecs.task}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def home(ecs: Ecs, metadata_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``DAGSTER_HOME`` with our configuration, but for its storage: there is no PostgreSQL."""
    monkeypatch.setenv("MINILAB_DAGSTER_RUN_TASK", f"{ecs.cluster}-dagster-run")
    monkeypatch.setenv("MINILAB_DAGSTER_LOGS_BUCKET", f"{ecs.cluster}-dagster-logs")
    monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", metadata_uri)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    config = {key: value for key, value in OURS.items() if key != "storage"}
    config["local_artifact_storage"]["config"]["base_dir"] = str(tmp_path / "artifacts")
    config["compute_logs"]["config"]["local_dir"] = str(tmp_path / "compute-logs")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


@pytest.fixture
def on_ecs(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def queued(instance: dg.DagsterInstance, definitions: dg.Definitions) -> dg.DagsterRun:
    """A run that lands a stream, as a sensor asks for it."""
    code = RepositoryPythonOrigin(
        executable_path=sys.executable,
        code_pointer=ModuleCodePointer("minilab_dagster.definitions", "defs", str(ROOT)),
    )
    return instance.create_run_for_job(
        definitions.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTING,
        asset_selection=frozenset({names.raw_key("webhooks")}),
        tags={"dagster/partition": current_key()},
        job_code_origin=JobPythonOrigin(job_name=JOB, repository_origin=code),
    )


def launched(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    with acting_as("dagster-daemon"):
        instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def task_of(lab: Any, ecs: Ecs, run: dg.DagsterRun) -> dict[str, Any]:
    (task,) = lab.client("ecs").describe_tasks(
        cluster=ecs.cluster, tasks=[run.tags["ecs/task_arn"]]
    )["tasks"]
    return dict(task)


def test_a_run_is_a_task_that_lands_and_keeps_its_log(
    lab: Any, ecs: Ecs, on_ecs: dg.DagsterInstance, definitions: dg.Definitions
) -> None:
    with open_publisher(lab.settings, lab.registry.stream("webhooks")) as publisher:
        publisher.send(b'{"specversion": "1.0", "id": "1", "source": "/ecs", "type": "a.b"}')
    run = launched(on_ecs, queued(on_ecs, definitions))
    task = task_of(lab, ecs, run)
    assert task["taskDefinitionArn"].endswith(f"{ecs.cluster}-dagster-run:1")
    (container,) = task["overrides"]["containerOverrides"]
    assert container["name"] == "run"

    done = subprocess.run(container["command"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-3000:]
    ended = on_ecs.get_run_by_id(run.run_id)
    assert ended is not None and ended.status == dg.DagsterRunStatus.SUCCESS
    (landed,) = on_ecs.fetch_materializations(names.raw_key("webhooks"), limit=1).records
    assert landed.asset_materialization is not None
    assert landed.asset_materialization.metadata["events"].value == 1
    _, log = log_of(on_ecs, run)
    assert "STEP_SUCCESS" in log


def log_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str]:
    """Output and error of a run's steps, as its page shows them."""
    with acting_as("dagster-webserver"):
        records = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
        (key,) = {
            entry.dagster_event.logs_captured_data.file_key
            for entry in records
            if entry.dagster_event is not None
        }
        manager = instance.compute_log_manager
        log_key = manager.build_log_key_for_run(run.run_id, key)
        data = manager.get_log_data(log_key)
        assert manager.get_log_metadata(log_key).stderr_location is not None
    return (data.stdout or b"").decode(), (data.stderr or b"").decode()


def test_a_task_is_watched_and_the_end_of_its_log_read(
    lab: Any, ecs: Ecs, on_ecs: dg.DagsterInstance, definitions: dg.Definitions
) -> None:
    """That log is what a failed run's page shows; no container of moto ever fails."""
    run = launched(on_ecs, queued(on_ecs, definitions))
    _write_log(lab, ecs, run, "out of memory")
    launcher = on_ecs.run_launcher
    assert isinstance(launcher, EcsRunLauncher)
    with acting_as("dagster-daemon"):
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        tags = run.tags["ecs/cluster"], run.tags["ecs/task_arn"]
        assert get_task_logs(launcher.ecs, launcher.logs, *tags, "run") == ["out of memory"]


def _write_log(lab: Any, ecs: Ecs, run: dg.DagsterRun, line: str) -> None:
    """As the container's log driver does."""
    logs, stream = lab.client("logs"), f"run/run/{run.tags['ecs/task_arn'].rpartition('/')[2]}"
    logs.create_log_stream(logGroupName=ecs.log_group, logStreamName=stream)
    event = {"timestamp": int(time.time() * 1000), "message": line}
    logs.put_log_events(logGroupName=ecs.log_group, logStreamName=stream, logEvents=[event])


@pytest.mark.parametrize("part", ["dagster-daemon", "dagster-webserver"])
def test_a_run_is_stopped_with_its_task(
    lab: Any, ecs: Ecs, home: Path, definitions: dg.Definitions, part: str
) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = launched(instance, queued(instance, definitions))
    with acting_as(part), dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.run_coordinator.cancel_run(run.run_id)
    task = task_of(lab, ecs, run)
    assert task["desiredStatus"] == "STOPPED"


def test_a_sensors_log_is_read_on_its_page(on_ecs: dg.DagsterInstance) -> None:
    manager, key = on_ecs.compute_log_manager, ["code", "run_failures", "1"]
    with (
        acting_as("dagster-code"),
        manager.open_log_stream(key, ComputeIOType.STDERR) as stream,
    ):
        assert stream is not None
        stream.write("said\n")
    with acting_as("dagster-webserver"):
        assert manager.get_log_data(key).stderr == b"said\n"


def test_a_long_log_is_kept_in_parts(on_ecs: dg.DagsterInstance) -> None:
    """What S3 takes in parts, it must also be let to read: that is how it joins them."""
    manager = on_ecs.compute_log_manager
    for part in ("dagster-run", "dagster-code"):
        key = [part, "long", "1"]
        with (
            acting_as(part),
            manager.open_log_stream(key, ComputeIOType.STDERR) as stream,
        ):
            assert stream is not None
            stream.write("x" * (9 * MIB))
        with acting_as("dagster-webserver"):
            data = manager.get_log_data(key, max_bytes=10 * MIB).stderr
            assert data is not None and len(data) == 9 * MIB


def test_logs_of_a_run_under_way_are_kept_meanwhile(
    on_ecs: dg.DagsterInstance, tmp_path: Path
) -> None:
    manager, key = on_ecs.compute_log_manager, ["run", "partial", "1"]
    with acting_as("dagster-run"), manager.local_manager.capture_logs(key):
        print("half of it", flush=True)
        manager.on_progress(key)
    shutil.rmtree(tmp_path / "compute-logs")
    with acting_as("dagster-webserver"):
        data = manager.get_log_data(key).stdout
    assert data is not None and b"half of it" in data
