"""An Athena to ask: the shared stack's engine, with a database and a bucket of each test's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest


@dataclass(frozen=True)
class Result:
    """What a query answered: ``rows`` are the texts, without the header; NULL is None."""

    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    update_count: int
    execution: dict[str, Any]

    @property
    def value(self) -> str | None:
        ((only,),) = self.rows
        return only


class QueryFailed(Exception):
    """Its text is Athena's StateChangeReason."""


@dataclass(frozen=True)
class Athena:
    """A client of the engine that speaks in one database."""

    client: Callable[[str], Any]
    database: str
    bucket: str
    environ: dict[str, str]

    def __call__(self, sql: str, *parameters: str, **more: Any) -> Result:
        """Run a statement to its end."""
        api = self.client("athena")
        if parameters:
            more["ExecutionParameters"] = list(parameters)
        more.setdefault("QueryExecutionContext", {"Database": self.database})
        more.setdefault("ResultConfiguration", {"OutputLocation": f"s3://{self.bucket}/results/"})
        id = api.start_query_execution(QueryString=sql, **more)["QueryExecutionId"]
        return self.result(id)

    def result(self, id: str) -> Result:
        api = self.client("athena")
        while True:
            execution = api.get_query_execution(QueryExecutionId=id)["QueryExecution"]
            if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                break
        if execution["Status"]["State"] != "SUCCEEDED":
            raise QueryFailed(execution["Status"].get("StateChangeReason", ""))
        rows: list[list[str | None]] = []
        for page in api.get_paginator("get_query_results").paginate(QueryExecutionId=id):
            result = page["ResultSet"]
            rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in result["Rows"]]
        info = result["ResultSetMetadata"]["ColumnInfo"]
        names = [column["Name"] for column in info]
        if execution["ResultConfiguration"]["OutputLocation"].endswith(".csv"):
            assert rows.pop(0) == names
        return Result(names, [c["Type"] for c in info], rows, page.get("UpdateCount", 0), execution)

    def fails(self, sql: str) -> str:
        """The reason why a statement fails."""
        with pytest.raises(QueryFailed) as caught:
            self(sql)
        return str(caught.value)

    def put(self, key: str, body: bytes | str) -> str:
        """Store an object in the test's bucket; its folder's address."""
        content = body.encode() if isinstance(body, str) else body
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key.rpartition('/')[0]}/"

    def keys(self, prefix: str) -> list[str]:
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in found for item in page.get("Contents", [])]


@pytest.fixture
def athena(aws_client: Callable[[str], Any], stack: dict[str, str]) -> Athena:
    unique = f"ath{secrets.token_hex(5)}"
    client = cache(aws_client)
    client("s3").create_bucket(Bucket=unique)
    made = Athena(client, unique, unique, stack)
    made(f"create schema {unique}", QueryExecutionContext={})
    return made


@pytest.fixture
def environ(athena: Athena, monkeypatch: pytest.MonkeyPatch) -> Athena:
    """``os.environ`` points libraries at the stack."""
    for name, value in athena.environ.items():
        monkeypatch.setenv(name, value)
    return athena
