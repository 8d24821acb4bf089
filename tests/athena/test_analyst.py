"""An analyst at work, as the analytics stack has it: in a workgroup that keeps answers apart."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from minilab import aws
from minilab.cli import cli
from minilab.lake import athena
from tests.support.aws_calls.parts import acting_as

# Long enough to be cancelled, and no data is read.
ENDLESS = (
    "select count(*) from unnest(sequence(1, 9000)) as a(n) "
    "cross join unnest(sequence(1, 9000)) as b(n) cross join unnest(sequence(1, 9000)) as c(n) "
    "where a.n * b.n > c.n * 3"
)


@pytest.fixture(scope="module")
def answers(lab: Any) -> Iterator[str]:
    """The bucket that the workgroup keeps answers in; a mart and a staging view are there."""
    settings, name = lab.settings, f"minilab-{lab.settings.env}"
    bucket, workgroup = f"{name}-answers", f"{name}-analysts"
    lab.client("s3").create_bucket(Bucket=bucket)
    lab.client("athena").create_work_group(
        Name=workgroup,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{bucket}/query/"},
        },
    )
    location = f"s3://{settings.lake_bucket}/warehouse/active/"
    athena.query(
        settings,
        f"create table {settings.marts_database}.active with (table_type = 'iceberg',"
        f" is_external = false, location = '{location}') as select 1 as tenant, 3 as users",
    )
    athena.query(
        settings,
        f"create view {settings.staging_database}.large as"
        f" select tenant from {settings.marts_database}.active where users > 2",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINILAB_ATHENA_WORKGROUP", workgroup)
        yield bucket


def ask(sql: str) -> list[dict[str, Any]]:
    with acting_as("analyst"):
        result = CliRunner().invoke(cli, ["query", sql, "--format", "json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert isinstance(rows, list)
    return rows


def test_marts_and_views_are_asked_and_answers_kept_apart(lab: Any, answers: str) -> None:
    assert ask("select * from active") == [{"tenant": 1, "users": 3}]
    view = f"{lab.settings.staging_database}.large"
    assert ask(f"select * from {view}") == [{"tenant": 1}]
    kept = lab.client("s3").list_objects_v2(Bucket=answers, Prefix="query/")["Contents"]
    assert len([item for item in kept if item["Key"].endswith(".csv")]) == 2


def test_what_there_is_can_be_looked_up(lab: Any, answers: str) -> None:
    marts, staging = lab.settings.marts_database, lab.settings.staging_database
    for schema, name in ((marts, "active"), (staging, "large")):
        assert [list(row.values()) for row in ask(f"show tables in {schema}")] == [[name]]
        assert [schema] in [list(row.values()) for row in ask("show databases")]


def test_frames_of_awswrangler_and_pyathena(lab: Any, answers: str) -> None:
    import awswrangler as wr
    from pyathena import connect
    from pyathena.pandas.cursor import PandasCursor

    schema, workgroup = lab.settings.marts_database, f"minilab-{lab.settings.env}-analysts"
    sql = "select users from active"
    with acting_as("analyst"):
        frame = wr.athena.read_sql_query(
            sql, database=schema, workgroup=workgroup, ctas_approach=False
        )
        cursor = connect(
            work_group=workgroup, schema_name=schema, region_name=lab.settings.region
        ).cursor(PandasCursor)
        other = cursor.execute(sql).as_pandas()
    assert frame["users"].tolist() == other["users"].tolist() == [3]


def test_a_query_is_given_up(lab: Any, answers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it runs."""
    running = threading.Event()

    def interrupt(state: str) -> None:
        if state == "RUNNING":
            running.set()
            raise KeyboardInterrupt

    settings = lab.settings.from_env()
    with acting_as("analyst"), pytest.raises(KeyboardInterrupt):
        athena.query(settings, ENDLESS, on_progress=interrupt)
    assert running.is_set()
    client = aws.client("athena", settings)
    newest = client.list_query_executions(WorkGroup=settings.athena_workgroup, MaxResults=1)
    (found,) = newest["QueryExecutionIds"]
    state = client.get_query_execution(QueryExecutionId=found)["QueryExecution"]["Status"]["State"]
    assert state == "CANCELLED"
