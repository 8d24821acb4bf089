"""The Glue catalog as the platform needs it: the optimistic lock, names, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest


@pytest.fixture
def glue(aws_client: Callable[[str], Any]) -> Any:
    return aws_client("glue")


@pytest.fixture
def database(glue: Any) -> str:
    name = f"d_{uuid4().hex}"
    glue.create_database(DatabaseInput={"Name": name})
    return name


def test_an_update_of_an_older_version_fails(glue: Any, database: str) -> None:
    glue.create_table(DatabaseName=database, TableInput={"Name": "t"})
    version = glue.get_table(DatabaseName=database, Name="t")["Table"]["VersionId"]
    update = {"DatabaseName": database, "VersionId": version}
    glue.update_table(TableInput={"Name": "t", "Description": "mine"}, **update)
    with pytest.raises(glue.exceptions.ConcurrentModificationException):
        glue.update_table(TableInput={"Name": "t", "Description": "theirs"}, **update)
    table = glue.get_table(DatabaseName=database, Name="t")["Table"]
    assert table["Description"] == "mine"
    glue.update_table(DatabaseName=database, TableInput={"Name": "t"}, SkipArchive=True)
    versions = glue.get_table_versions(DatabaseName=database, TableName="t")["TableVersions"]
    assert [v["VersionId"] for v in versions] == [version, "3"]


def test_of_two_iceberg_commits_on_one_snapshot_the_second_fails(
    stack: dict[str, str], aws_client: Callable[[str], Any], database: str
) -> None:
    import pyarrow as pa
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.exceptions import CommitFailedException

    bucket = f"b-{uuid4().hex}"
    aws_client("s3").create_bucket(Bucket=bucket)
    catalog = GlueCatalog(
        "laptop",
        **{
            "client.region": stack["AWS_REGION"],
            "client.access-key-id": stack["AWS_ACCESS_KEY_ID"],
            "client.secret-access-key": stack["AWS_SECRET_ACCESS_KEY"],
            "glue.endpoint": stack["AWS_ENDPOINT_URL"],
            "s3.endpoint": stack["AWS_ENDPOINT_URL"],
        },
    )
    rows = pa.table({"n": pa.array([1], pa.int64())})
    mine = catalog.create_table(
        f"{database}.t",
        rows.schema,
        location=f"s3://{bucket}/t",
        properties={"commit.retry.num-retries": "0"},
    )
    theirs = catalog.load_table(f"{database}.t")
    mine.append(rows)
    with pytest.raises(CommitFailedException):
        theirs.append(rows)
    assert catalog.load_table(f"{database}.t").scan().to_arrow().num_rows == 1


def test_names_are_folded_to_lower_case(glue: Any) -> None:
    name = f"D_{uuid4().hex}"
    glue.create_database(DatabaseInput={"Name": name})
    assert glue.get_database(Name=name.upper())["Database"]["Name"] == name.lower()
    glue.create_table(DatabaseName=name, TableInput={"Name": "Table_A"})
    assert glue.get_table(DatabaseName=name.lower(), Name="TABLE_a")["Table"]["Name"] == "table_a"
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_table(DatabaseName=name, TableInput={"Name": "table_a"})
    glue.batch_delete_table(DatabaseName=name, TablesToDelete=["TABLE_A"])
    assert glue.get_tables(DatabaseName=name)["TableList"] == []
    glue.delete_database(Name=name.upper())
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_database(Name=name)


def test_tables_come_in_pages(glue: Any, database: str) -> None:
    for n in range(7):
        glue.create_table(DatabaseName=database, TableInput={"Name": f"t{n}"})
    pages = list(
        glue.get_paginator("get_tables").paginate(
            DatabaseName=database, PaginationConfig={"PageSize": 3}
        )
    )
    assert [len(one["TableList"]) for one in pages] == [3, 3, 1]
    assert [t["Name"] for one in pages for t in one["TableList"]] == [f"t{n}" for n in range(7)]
