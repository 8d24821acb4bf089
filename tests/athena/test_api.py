"""Athena's API: executions, work groups, prepared statements, metadata."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError


def refused(code: str, call, **arguments: object) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def start(athena, sql: str, **more: object) -> str:
    more.setdefault("ResultConfiguration", {"OutputLocation": f"s3://{athena.bucket}/r/"})
    return athena.client("athena").start_query_execution(QueryString=sql, **more)[
        "QueryExecutionId"
    ]


def test_an_execution_tells_its_kind_times_and_place(athena):
    execution = athena("-- note\nselect 1").execution
    assert execution["StatementType"] == "DML"
    assert execution["SubstatementType"] == "SELECT"
    assert execution["QueryExecutionContext"]["Database"] == athena.database
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(
        f"/{execution['QueryExecutionId']}.csv"
    )
    status = execution["Status"]
    assert status["SubmissionDateTime"] <= status["CompletionDateTime"]
    assert execution["Statistics"]["TotalExecutionTimeInMillis"] >= 0
    assert athena("show databases").execution["StatementType"] == "UTILITY"
    assert athena("create view v as select 1 as a").execution["SubstatementType"] == "CREATE_VIEW"


def test_a_failed_execution_says_why_and_has_no_results(athena):
    api = athena.client("athena")
    id = start(athena, "select * from nowhere.t")
    while (found := api.get_query_execution(QueryExecutionId=id)["QueryExecution"])["Status"][
        "State"
    ] in ("QUEUED", "RUNNING"):
        pass
    assert found["Status"]["State"] == "FAILED"
    assert found["Status"]["StateChangeReason"].startswith("SCHEMA_NOT_FOUND")
    assert found["Status"]["AthenaError"]["ErrorCategory"] == 2
    refused("InvalidRequestException", api.get_query_results, QueryExecutionId=id)


def test_what_cannot_be_parsed_is_refused_at_once(athena):
    api = athena.client("athena")
    for sql in ("selct 1", "select from where", "select 1; select 2", "-- nothing"):
        message = refused(
            "InvalidRequestException",
            api.start_query_execution,
            QueryString=sql,
            ResultConfiguration={"OutputLocation": f"s3://{athena.bucket}/r/"},
        )
        assert message
    assert athena("select 1;").value == "1"


def test_a_request_token_starts_a_query_once(athena):
    token = "a" * 40
    first = start(athena, "select 1", ClientRequestToken=token)
    assert start(athena, "select 1", ClientRequestToken=token) == first
    api = athena.client("athena")
    refused(
        "InvalidRequestException",
        api.start_query_execution,
        QueryString="select 2",
        ClientRequestToken=token,
        ResultConfiguration={"OutputLocation": f"s3://{athena.bucket}/r/"},
    )


def test_a_running_query_can_be_stopped(athena):
    api = athena.client("athena")
    slow = (
        "select count(*) from unnest(sequence(1, 10000)) as a(x), unnest(sequence(1, 10000)) as "
        "b(y), unnest(sequence(1, 1000)) as c(z) where sin(x * y + z) > 2"
    )
    id = start(athena, slow)
    while api.get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"]["State"] == (
        "QUEUED"
    ):
        time.sleep(0.01)
    api.stop_query_execution(QueryExecutionId=id)
    status = api.get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"]
    assert status["State"] == "CANCELLED"
    assert athena("select 1").value == "1"


def test_work_groups_decide_where_results_go(athena):
    api, name = athena.client("athena"), athena.database
    api.create_work_group(
        Name=name,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://{athena.bucket}/group/"},
        },
    )
    result = athena("select 1", WorkGroup=name)
    assert result.execution["WorkGroup"] == name
    assert result.execution["ResultConfiguration"]["OutputLocation"].startswith(
        f"s3://{athena.bucket}/group/"
    )
    assert api.list_query_executions(WorkGroup=name)["QueryExecutionIds"] == [
        result.execution["QueryExecutionId"]
    ]
    api.update_work_group(
        WorkGroup=name, ConfigurationUpdates={"EnforceWorkGroupConfiguration": False}
    )
    location = athena("select 1", WorkGroup=name).execution["ResultConfiguration"]["OutputLocation"]
    assert location.startswith(f"s3://{athena.bucket}/results/")
    api.update_work_group(WorkGroup=name, State="DISABLED")
    assert "disabled" in refused(
        "InvalidRequestException", api.start_query_execution, QueryString="select 1", WorkGroup=name
    )
    assert "not found" in refused(
        "InvalidRequestException", api.start_query_execution, QueryString="select 1", WorkGroup="no"
    )
    api.delete_work_group(WorkGroup=name)


def test_prepared_statements_by_api_and_by_sql(athena):
    api, group = athena.client("athena"), athena.database
    api.create_work_group(Name=group, Configuration={"EnforceWorkGroupConfiguration": False})
    made = {"StatementName": "one", "WorkGroup": group, "QueryStatement": "select ? + ? as s"}
    api.create_prepared_statement(**made)
    assert athena("execute one using 1, (2 + 3)", WorkGroup=group).value == "6"
    assert athena("execute one", "4", "5", WorkGroup=group).value == "9"
    api.update_prepared_statement(**made | {"QueryStatement": "select ? as s"})
    assert athena("execute one using 'x'", WorkGroup=group).value == "x"
    athena("prepare two from select 2", WorkGroup=group)
    names = [
        p["StatementName"]
        for p in api.list_prepared_statements(WorkGroup=group)["PreparedStatements"]
    ]
    assert sorted(names) == ["one", "two"]
    athena("deallocate prepare two", WorkGroup=group)
    api.delete_prepared_statement(StatementName="one", WorkGroup=group)
    refused(
        "ResourceNotFoundException",
        api.get_prepared_statement,
        StatementName="one",
        WorkGroup=group,
    )


def test_parameters_must_fit_the_question_marks(athena):
    api = athena.client("athena")
    message = refused(
        "InvalidRequestException",
        api.start_query_execution,
        QueryString="select ?, ?",
        ExecutionParameters=["1"],
        ResultConfiguration={"OutputLocation": f"s3://{athena.bucket}/r/"},
    )
    assert "expected 2 but found 1" in message


def test_metadata_comes_from_glue(athena):
    api = athena.client("athena")
    athena(
        f"create table t with (external_location = 's3://{athena.bucket}/t/', "
        "partitioned_by = array['p']) as select 1 as a, 2 as p"
    )
    where = {"CatalogName": "AwsDataCatalog", "DatabaseName": athena.database}
    names = [
        d["Name"]
        for page in api.get_paginator("list_databases").paginate(CatalogName="AwsDataCatalog")
        for d in page["DatabaseList"]
    ]
    assert athena.database in names
    assert api.get_database(**where)["Database"]["Name"] == athena.database
    table = api.get_table_metadata(**where, TableName="t")["TableMetadata"]
    assert [c["Name"] for c in table["Columns"]] == ["a"]
    assert [c["Name"] for c in table["PartitionKeys"]] == ["p"]
    listed = api.list_table_metadata(**where, Expression="t*")["TableMetadataList"]
    assert [t["Name"] for t in listed] == ["t"]
    refused("MetadataException", api.get_table_metadata, **where, TableName="nope")
    assert api.list_data_catalogs()["DataCatalogsSummary"][0]["CatalogName"] == "AwsDataCatalog"


def test_results_need_a_place(athena):
    api, group = athena.client("athena"), f"{athena.database}x"
    api.create_work_group(Name=group, Configuration={"EnforceWorkGroupConfiguration": False})
    message = refused(
        "InvalidRequestException",
        api.start_query_execution,
        QueryString="select 1",
        WorkGroup=group,
    )
    assert message.startswith("No output location provided")


def test_a_few_executions_at_once_by_batch(athena):
    api = athena.client("athena")
    ids = [start(athena, f"select {n}") for n in range(20)]
    for id in ids:
        assert athena.result(id).execution["Status"]["State"] == "SUCCEEDED"
    answer = api.batch_get_query_execution(QueryExecutionIds=[*ids, "nope"])
    assert {e["QueryExecutionId"] for e in answer["QueryExecutions"]} == set(ids)
    assert answer["UnprocessedQueryExecutionIds"][0]["QueryExecutionId"] == "nope"
    statistics = api.get_query_runtime_statistics(QueryExecutionId=ids[0])
    assert statistics["QueryRuntimeStatistics"]["Rows"]["OutputRows"] == 2
