"""The manifest is parsed when it must be, and a build shares its AWS clients."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from minilab_dagster import dbt_project
from minilab_dagster.dbt_clients import SharedSession, shared_clients


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the dbt project, never parsed."""
    copy = tmp_path / "dbt_athena"
    ignored = shutil.ignore_patterns("target", "logs")
    shutil.copytree(dbt_project.project_dir(), copy, ignore=ignored)
    monkeypatch.setenv("MINILAB_DBT_PROJECT_DIR", str(copy))
    return copy


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every parse that was asked for; it leaves an empty manifest."""
    asked: list[Path] = []

    def parse(target: Path) -> None:
        asked.append(target)
        (target / "manifest.json").write_text("{}")

    monkeypatch.setattr(dbt_project, "_parse", parse)
    return asked


def test_parses_once(project: Path, parses: list[Path]) -> None:
    assert dbt_project.ensure_manifest() == dbt_project.ensure_manifest()
    assert len(parses) == 1


@pytest.mark.parametrize("change", ["model", "environment", "manifest"])
def test_parses_again_when_something_changed(
    project: Path, parses: list[Path], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    manifest = dbt_project.ensure_manifest()
    match change:
        case "model":
            (project / "models" / "staging" / "stg_new.sql").write_text("select 1 as one")
        case "environment":
            monkeypatch.setenv("MINILAB_LAKE_BUCKET", "another")
        case "manifest":
            manifest.unlink()
    dbt_project.ensure_manifest()
    assert len(parses) == 2


def test_what_dbt_itself_writes_changes_nothing(project: Path, parses: list[Path]) -> None:
    dbt_project.ensure_manifest()
    (project / "target" / "run_results.json").write_text("{}")
    (project / "target" / "compiled.sql").write_text("select 1")
    (project / "logs").mkdir()
    (project / "logs" / "notes.md").write_text("x")
    dbt_project.ensure_manifest()
    assert len(parses) == 1


def test_deployments_have_their_own(project: Path, parses: list[Path], monkeypatch) -> None:
    first = dbt_project.ensure_manifest()
    monkeypatch.setenv("MINILAB_ENV", "other")
    assert dbt_project.ensure_manifest() != first


def test_a_model_that_dbt_cannot_read_is_named(project: Path) -> None:
    (project / "models" / "broken.sql").write_text("select {{ ref('no_such_model') }}")
    with pytest.raises(dbt_project.DbtParseError, match="no_such_model"):
        dbt_project.ensure_manifest()
    (project / "models" / "broken.sql").unlink()
    assert dbt_project.ensure_manifest().stat().st_size > 10_000, "a failed parse left its stamp"


class _Session:
    def __init__(self) -> None:
        self.made: list[str] = []
        self.region_name = "eu-central-1"

    def client(self, service: str, **options: object) -> object:
        self.made.append(service)
        return object()


def test_a_shared_session_makes_each_kind_of_client_once() -> None:
    from botocore.config import Config

    plain = _Session()
    shared = SharedSession(plain)
    first = shared.client("glue", config=Config(retries={"max_attempts": 3}))
    assert shared.client("glue", config=Config(retries={"max_attempts": 3})) is first
    assert shared.client("glue", config=Config(retries={"max_attempts": 4})) is not first
    assert shared.client("s3") is not first
    assert plain.made == ["glue", "glue", "s3"]
    assert shared.region_name == "eu-central-1"


def test_dbt_athena_takes_the_shared_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when an upgrade of dbt-athena makes its clients in another way."""
    from dbt.adapters.athena.connections import AthenaConnection, AthenaCredentials

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    credentials = AthenaCredentials(
        database="awsdatacatalog", schema="s", s3_staging_dir="s3://b/", region_name="us-east-1"
    )
    before = AthenaConnection.__init__.__defaults__
    with shared_clients():
        one, two = AthenaConnection(credentials), AthenaConnection(credentials)
        assert isinstance(one.session, SharedSession)
        assert one.session is two.session
        assert one.connect()._client is two.connect()._client
    assert AthenaConnection.__init__.__defaults__ == before
