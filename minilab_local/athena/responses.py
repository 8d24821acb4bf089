"""Athena's API actions (Amazon Athena API Reference), answered by the engine."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any

from moto.athena.responses import AthenaResponse as MotoAthenaResponse

from minilab_local.athena import parse, results
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import Table, TableName, catalog_of
from minilab_local.athena.errors import SYSTEM, InvalidRequest, NotPermitted, QueryError
from minilab_local.athena.executions import DONE, KEPT_EXECUTIONS, Execution, result_uri, runner
from minilab_local.athena.store import Realm, split, store_of
from minilab_local.iam.guard import installed
from minilab_local.iam.resources import s3_object

PATIENCE = 0.5
"""Seconds that GetQueryExecution waits for a running query, so that a client that polls once a
second learns of a quick one at once."""

Response = tuple[str, dict[str, int]] | str
_start_lock = threading.Lock()


def refused(message: str, code: str = "INVALID_INPUT") -> Response:
    """InvalidRequestException."""
    body = {"__type": "InvalidRequestException", "Message": message, "AthenaErrorCode": code}
    return json.dumps(body), {"status": 400}


class RequestError(Exception):
    """A request that is answered by an error other than InvalidRequestException."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def action(method: Callable[..., Any]) -> Callable[..., Response]:
    """An action: a dict becomes the response, an `InvalidRequest` the error."""

    @wraps(method)
    def answer(self: AthenaResponse) -> Response:
        try:
            return json.dumps(method(self))
        except InvalidRequest as e:
            return refused(str(e))
        except NotPermitted as e:
            return json.dumps({"__type": "AccessDeniedException", "Message": str(e)}), {
                "status": 403
            }
        except RequestError as e:
            return json.dumps({"__type": e.kind, "Message": str(e)}), {"status": 400}

    return answer


class AthenaResponse(MotoAthenaResponse):
    """Every action of the Athena API that Mini-Lab's engine answers; moto answers the rest."""

    # The request

    @property
    def asked(self) -> Mapping[str, Any]:
        return json.loads(self.body or "{}")

    @property
    def realm(self) -> Realm:
        port = self.normalized_request.environ["SERVER_PORT"]
        whose = (self.current_account, self.region, f"http://127.0.0.1:{port}")
        return Realm(*whose, self.access_key) if installed() else Realm(*whose)

    def _page(self, items: Sequence[Any], default: int) -> tuple[Sequence[Any], dict[str, str]]:
        """One page of a list, and NextToken where there is more."""
        token = self.asked.get("NextToken")
        if token is not None and not str(token).isdigit():
            raise InvalidRequest(f"Invalid pagination token: {token}")
        start, size = int(token or 0), int(self.asked.get("MaxResults") or default)
        more = {"NextToken": str(start + size)} if start + size < len(items) else {}
        return items[start : start + size], more

    # Work groups

    def _work_group(self, name: str) -> Any:
        found = self.athena_backend.work_groups.get(name)
        if found is None:
            raise InvalidRequest(f"WorkGroup {name} is not found.")
        return found

    @action
    def get_work_group(self) -> dict[str, Any]:
        self._work_group(self.asked["WorkGroup"])
        return {"WorkGroup": self.athena_backend.get_work_group(self.asked["WorkGroup"])}

    @action
    def update_work_group(self) -> dict[str, Any]:
        group = self._work_group(self.asked["WorkGroup"])
        if "Description" in self.asked:
            group.description = self.asked["Description"]
        if "State" in self.asked:
            group.state = self.asked["State"]
        updates = dict(self.asked.get("ConfigurationUpdates") or {})
        location = updates.pop("ResultConfigurationUpdates", None)
        configuration = group.configuration
        for key, value in updates.items():
            if key.startswith("Remove"):
                if value:
                    configuration.pop(key.removeprefix("Remove"), None)
            else:
                configuration[key] = value
        if location is not None:
            result = configuration.setdefault("ResultConfiguration", {})
            for key, value in location.items():
                if key.startswith("Remove"):
                    if value:
                        result.pop(key.removeprefix("Remove"), None)
                else:
                    result[key] = value
        return {}

    @action
    def delete_work_group(self) -> dict[str, Any]:
        if self.asked["WorkGroup"] == "primary":
            raise InvalidRequest("The primary workgroup cannot be deleted.")
        self._work_group(self.asked["WorkGroup"])
        self.athena_backend.delete_work_group(self.asked["WorkGroup"])
        return {}

    # Executions

    @property
    def _executions(self) -> dict[str, Execution]:
        return self.athena_backend.executions  # type: ignore[return-value]

    def _execution(self) -> Execution:
        found = self._executions.get(self.asked["QueryExecutionId"])
        if found is None:
            raise InvalidRequest(f"QueryExecution {self.asked['QueryExecutionId']} was not found")
        if found.state not in DONE and not runner.knows(found):
            found.state, found.category = "FAILED", SYSTEM
            found.reason = "GENERIC_INTERNAL_ERROR: the server was stopped while the query ran"
            found.completed = time.time()
        return found

    def _forget_old(self) -> None:
        """Keep the newest executions only, as Athena keeps its history for 45 days only."""
        for id in list(self._executions)[: len(self._executions) - KEPT_EXECUTIONS]:
            if self._executions[id].state in DONE:
                del self._executions[id]
                runner.forget(id)

    @action
    def start_query_execution(self) -> dict[str, Any]:
        asked = self.asked
        with _start_lock:
            token = asked.get("ClientRequestToken")
            for known in self._executions.values() if token else ():
                if known.token == token:
                    if known.query != asked["QueryString"]:
                        raise InvalidRequest("Idempotent parameters do not match")
                    return {"QueryExecutionId": known.id}
            return {"QueryExecutionId": self._start(asked)}

    def _start(self, asked: Mapping[str, Any]) -> str:
        group_name = asked.get("WorkGroup") or "primary"
        group = self._work_group(group_name)
        if group.state != "ENABLED":
            raise InvalidRequest(f"WorkGroup {group_name} is disabled.")
        output = self._output(asked, group.configuration)
        context = asked.get("QueryExecutionContext") or {}
        parameters = asked.get("ExecutionParameters")
        statement = self._parse(asked["QueryString"], parameters, group_name)
        id = str(uuid.uuid4())
        execution = Execution(
            id=id,
            query=asked["QueryString"],
            kind=statement.kind,
            substatement=statement.substatement,
            result_uri=result_uri(statement, output, id),
            database=(context.get("Database") or "default").strip('`"').lower(),
            catalog=context.get("Catalog") or "awsdatacatalog",
            workgroup=group_name,
            output=output,
            parameters=parameters,
            token=asked.get("ClientRequestToken"),
            configuration=dict(asked.get("ResultConfiguration") or {}),
        )
        self._executions[id] = execution
        self._forget_old()
        if isinstance(statement, s.Prepare | s.Deallocate):
            self._prepared_by_sql(statement, execution)
        else:
            runner.submit(execution, statement, self.realm)
        return id

    def _output(self, asked: Mapping[str, Any], configuration: Mapping[str, Any]) -> str:
        of_group = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        of_client = (asked.get("ResultConfiguration") or {}).get("OutputLocation")
        enforced = bool(configuration.get("EnforceWorkGroupConfiguration")) and of_group
        found = of_group if enforced else of_client or of_group
        if not found:
            raise InvalidRequest(
                "No output location provided. An output location is required either through the "
                "Workgroup result configuration setting or as an API input."
            )
        try:
            split(found)
        except QueryError as e:
            raise InvalidRequest(f"outputLocation is not a valid S3 path: {found}") from e
        return found if found.endswith("/") else found + "/"

    def _parse(self, text: str, parameters: Sequence[str] | None, group: str) -> s.Statement:
        statement = parse.parse(text, parameters)
        if isinstance(statement, s.Execute):
            prepared = self._prepared.get((group, statement.name))
            if prepared is None:
                raise InvalidRequest(
                    f"PreparedStatement {statement.name} was not found in workGroup {group}"
                )
            return parse.parse(prepared["QueryStatement"], parameters or statement.parameters)
        return statement

    def _prepared_by_sql(self, statement: s.Prepare | s.Deallocate, execution: Execution) -> None:
        key = (execution.workgroup, statement.name)
        execution.started = execution.completed = time.time()
        execution.state = "SUCCEEDED"
        if isinstance(statement, s.Prepare):
            self._prepared[key] = _prepared(execution.workgroup, statement.name, statement.text, "")
        elif self._prepared.pop(key, None) is None:
            execution.state = "FAILED"
            execution.reason = f"Prepared statement not found: {statement.name}"

    @action
    def get_query_execution(self) -> dict[str, Any]:
        execution = self._execution()
        runner.wait(execution, PATIENCE)
        return {"QueryExecution": described(execution)}

    @action
    def batch_get_query_execution(self) -> dict[str, Any]:
        found, missing = [], []
        for id in self.asked["QueryExecutionIds"]:
            execution = self._executions.get(id)
            if execution is None:
                missing.append(
                    {
                        "QueryExecutionId": id,
                        "ErrorCode": "INVALID_QUERY_EXECUTION_ID",
                        "ErrorMessage": f"QueryExecution {id} was not found",
                    }
                )
            else:
                found.append(described(execution))
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    @action
    def list_query_executions(self) -> dict[str, Any]:
        group = self.asked.get("WorkGroup") or "primary"
        newest = sorted(self._executions.values(), key=lambda e: e.submitted, reverse=True)
        page, more = self._page([e.id for e in newest if e.workgroup == group], 50)
        return {"QueryExecutionIds": page, **more}

    @action
    def stop_query_execution(self) -> dict[str, Any]:
        runner.cancel(self._execution())
        return {}

    @action
    def get_query_results(self) -> dict[str, Any]:
        execution = self._execution()
        if execution.state == "FAILED":
            raise InvalidRequest(
                f"Query did not finish successfully. Final query state: {execution.state}"
            )
        if execution.state != "SUCCEEDED":
            raise InvalidRequest(f"Query has not yet finished. Current state: {execution.state}")
        if execution.columns:  # Athena reads the result as its caller, too
            self.realm.require("s3:GetObject", s3_object(*split(execution.result_uri)))
        rows = runner.kept_rows(execution)
        if rows is None:
            rows = (
                []
                if not execution.columns
                else stored_rows(self.realm, execution.result_uri, execution.header)
            )
        page, more = self._page(rows, 1000)
        answer: dict[str, Any] = {
            "UpdateCount": execution.update_count or 0,
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": v} for v in row]}
                    for row in page
                ],
                "ResultSetMetadata": {"ColumnInfo": [c.info() for c in execution.columns]},
            },
            **more,
        }
        return answer

    @action
    def get_query_runtime_statistics(self) -> dict[str, Any]:
        execution = self._execution()
        stage = {
            "StageId": 0,
            "State": execution.state,
            "ExecutionTime": execution.milliseconds,
            "InputBytes": execution.bytes,
            "OutputBytes": execution.output_bytes,
            "OutputRows": execution.output_rows,
        }
        return {
            "QueryRuntimeStatistics": {
                "Timeline": timeline(execution),
                "Rows": {
                    "InputBytes": execution.bytes,
                    "OutputBytes": execution.output_bytes,
                    "OutputRows": execution.output_rows,
                },
                "OutputStage": stage,
            }
        }

    # Prepared statements

    @property
    def _prepared(self) -> dict[tuple[str, str], dict[str, Any]]:
        return self.athena_backend.prepared_statements  # type: ignore[return-value]

    def _prepared_key(self) -> tuple[str, str]:
        self._work_group(self.asked["WorkGroup"])
        return self.asked["WorkGroup"], self.asked["StatementName"].lower()

    def _require_prepared(self) -> tuple[str, str]:
        key = self._prepared_key()
        if key not in self._prepared:
            raise RequestError(
                "ResourceNotFoundException",
                f"PreparedStatement {key[1]} was not found in workGroup {key[0]}",
            )
        return key

    @action
    def create_prepared_statement(self) -> dict[str, Any]:
        key, asked = self._prepared_key(), self.asked
        if key in self._prepared:
            raise InvalidRequest(f"PreparedStatement {key[1]} already exists in workGroup {key[0]}")
        self._prepared[key] = _prepared(
            key[0], asked["StatementName"], asked["QueryStatement"], asked.get("Description", "")
        )
        return {}

    @action
    def update_prepared_statement(self) -> dict[str, Any]:
        key, asked = self._require_prepared(), self.asked
        self._prepared[key] = _prepared(
            key[0], asked["StatementName"], asked["QueryStatement"], asked.get("Description", "")
        )
        return {}

    @action
    def get_prepared_statement(self) -> dict[str, Any]:
        return {"PreparedStatement": self._prepared[self._require_prepared()]}

    @action
    def delete_prepared_statement(self) -> dict[str, Any]:
        del self._prepared[self._require_prepared()]
        return {}

    @action
    def list_prepared_statements(self) -> dict[str, Any]:
        group = self.asked["WorkGroup"]
        self._work_group(group)
        found = [
            {"StatementName": p["StatementName"], "LastModifiedTime": p["LastModifiedTime"]}
            for (of_group, _), p in sorted(self._prepared.items())
            if of_group == group
        ]
        page, more = self._page(found, 50)
        return {"PreparedStatements": page, **more}

    @action
    def batch_get_prepared_statement(self) -> dict[str, Any]:
        group, found, missing = self.asked["WorkGroup"], [], []
        for name in self.asked["PreparedStatementNames"]:
            prepared = self._prepared.get((group, name.lower()))
            if prepared is None:
                missing.append({"StatementName": name, "ErrorCode": "STATEMENT_NOT_FOUND"})
            else:
                found.append(prepared)
        return {"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing}

    # Named queries that moto lacks

    @action
    def batch_get_named_query(self) -> dict[str, Any]:
        found, missing = [], []
        for id in self.asked["NamedQueryIds"]:
            query = self.athena_backend.named_queries.get(id)
            if query is None:
                missing.append({"NamedQueryId": id, "ErrorCode": "INVALID_NAMED_QUERY_ID"})
                continue
            found.append(
                {
                    "Name": query.name,
                    "Description": query.description,
                    "Database": query.database,
                    "QueryString": query.query_string,
                    "NamedQueryId": query.id,
                    "WorkGroup": query.workgroup.name,
                }
            )
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    @action
    def delete_named_query(self) -> dict[str, Any]:
        if self.athena_backend.named_queries.pop(self.asked["NamedQueryId"], None) is None:
            raise InvalidRequest(f"NamedQuery {self.asked['NamedQueryId']} was not found")
        return {}

    # Metadata

    @action
    def list_data_catalogs(self) -> dict[str, Any]:
        mine = {"CatalogName": "AwsDataCatalog", "Type": "GLUE"}
        others = self.athena_backend.list_data_catalogs()
        page, more = self._page([mine, *others], 50)
        return {"DataCatalogsSummary": page, **more}

    @action
    def get_data_catalog(self) -> dict[str, Any]:
        name = self.asked["Name"]
        if name.lower() == "awsdatacatalog":
            parameters = {"catalog-id": self.current_account}
            return {"DataCatalog": {"Name": name, "Type": "GLUE", "Parameters": parameters}}
        found = self.athena_backend.get_data_catalog(name)
        if found is None:
            raise InvalidRequest(f"Data catalog {name} was not found")
        return {"DataCatalog": found}

    def _check_catalog(self) -> None:
        if self.asked["CatalogName"].lower() != "awsdatacatalog":
            raise InvalidRequest(f"Data catalog {self.asked['CatalogName']} was not found")

    @action
    def list_databases(self) -> dict[str, Any]:
        self._check_catalog()
        catalog = catalog_of(self.realm)
        found = [_database(catalog.require_database(name)) for name in catalog.databases()]
        page, more = self._page(found, 50)
        return {"DatabaseList": page, **more}

    @action
    def get_database(self) -> dict[str, Any]:
        self._check_catalog()
        name = self.asked["DatabaseName"]
        found = catalog_of(self.realm).database(name)
        if found is None:
            raise RequestError(
                "MetadataException", f"Database {name} not found. (EntityNotFoundException)"
            )
        return {"Database": _database(found)}

    @action
    def list_table_metadata(self) -> dict[str, Any]:
        self._check_catalog()
        catalog, name = catalog_of(self.realm), self.asked["DatabaseName"]
        if catalog.database(name) is None:
            raise RequestError(
                "MetadataException", f"Database {name} not found. (EntityNotFoundException)"
            )
        pattern = self.asked.get("Expression")
        found = [
            _table(t)
            for t in catalog.tables(name)
            if not pattern or re.search(pattern.replace("*", ".*"), t.name.table)
        ]
        page, more = self._page(found, 50)
        return {"TableMetadataList": page, **more}

    @action
    def get_table_metadata(self) -> dict[str, Any]:
        self._check_catalog()
        name = TableName(self.asked["DatabaseName"].lower(), self.asked["TableName"].lower())
        found = catalog_of(self.realm).table(name)
        if found is None:
            raise RequestError(
                "MetadataException", f"Table {name.table} not found. (EntityNotFoundException)"
            )
        return {"TableMetadata": _table(found)}


def _prepared(group: str, name: str, text: str, description: str) -> dict[str, Any]:
    return {
        "StatementName": name,
        "QueryStatement": text,
        "WorkGroupName": group,
        "Description": description,
        "LastModifiedTime": time.time(),
    }


def _database(glue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Name": glue["Name"],
        "Description": glue.get("Description") or "",
        "Parameters": glue.get("Parameters") or {},
    }


def _table(table: Table) -> dict[str, Any]:
    glue = table.glue
    created = glue.get("CreateTime")
    descriptor = table.descriptor
    parameters = dict(table.parameters)
    if table.location:
        parameters["location"] = table.location
    for key, name in (("InputFormat", "inputformat"), ("OutputFormat", "outputformat")):
        if descriptor.get(key):
            parameters[name] = descriptor[key]
    return {
        "Name": table.name.table,
        "TableType": glue.get("TableType") or "EXTERNAL_TABLE",
        "CreateTime": created.timestamp() if created is not None else 0,
        "Columns": [_column(c) for c in table.columns],
        "PartitionKeys": [_column(c) for c in table.partition_keys],
        "Parameters": parameters,
    }


def _column(column: Any) -> dict[str, str]:
    made = {"Name": column.name, "Type": column.type.hive()}
    return {**made, "Comment": column.comment} if column.comment else made


def timeline(execution: Execution) -> dict[str, int]:
    started = execution.started or execution.completed or time.time()
    return {
        "QueryQueueTimeInMillis": int((started - execution.submitted) * 1000),
        "QueryPlanningTimeInMillis": 0,
        "EngineExecutionTimeInMillis": execution.milliseconds,
        "ServiceProcessingTimeInMillis": 0,
        "ServicePreProcessingTimeInMillis": 0,
        "TotalExecutionTimeInMillis": int(
            ((execution.completed or time.time()) - execution.submitted) * 1000
        ),
    }


def described(execution: Execution) -> dict[str, Any]:
    """A QueryExecution as the API describes it."""
    status: dict[str, Any] = {
        "State": execution.state,
        "SubmissionDateTime": execution.submitted,
    }
    if execution.completed is not None:
        status["CompletionDateTime"] = execution.completed
    if execution.reason is not None:
        status["StateChangeReason"] = execution.reason
    if execution.category is not None:
        status["AthenaError"] = {
            "ErrorCategory": execution.category,
            "ErrorType": 1000 if execution.category == 2 else 1,
            "Retryable": False,
            "ErrorMessage": execution.reason or "",
        }
    statistics: dict[str, Any] = {
        **timeline(execution),
        "DataScannedInBytes": execution.bytes,
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }
    if execution.manifest:
        statistics["DataManifestLocation"] = execution.manifest
    answer = {
        "QueryExecutionId": execution.id,
        "Query": execution.query,
        "StatementType": execution.kind,
        "SubstatementType": execution.substatement,
        "ResultConfiguration": {**execution.configuration, "OutputLocation": execution.result_uri},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {"Database": execution.database, "Catalog": execution.catalog},
        "Status": status,
        "Statistics": statistics,
        "WorkGroup": execution.workgroup,
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO",
            "EffectiveEngineVersion": "Athena engine version 3",
        },
    }
    if execution.parameters:
        answer["ExecutionParameters"] = list(execution.parameters)
    return answer


@lru_cache(maxsize=2)
def stored_rows(realm: Realm, uri: str, quoted: bool) -> list[results.Row]:
    """The rows of a result that is too long to be kept in memory, read from its object."""
    bucket, key = split(uri)
    try:
        text = store_of(realm).read(bucket, key).decode()
    except FileNotFoundError as e:
        raise InvalidRequest(f"Could not find results: {uri} is not there any more") from e
    return list(results.read_csv(text) if quoted else results.read_text(text))
