"""What moto's Glue catalog lacks and the platform needs.

- Names of databases and tables are folded to lower case (AWS Glue API, *TableInput*: "For Hive
  compatibility, this is folded to lowercase when it is stored").
- UpdateTable honours ``VersionId``: a commit on an older version fails, which is the optimistic
  lock that Iceberg's Glue catalogs rely on. ``SkipArchive`` keeps no older version.
- GetTables and GetDatabases honour ``MaxResults`` and ``NextToken``.
"""

from __future__ import annotations

import json
from typing import Any

import moto.glue.urls
from moto.core.responses import ActionResult, EmptyResult
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse

# Where a request names a database or a table; "Name" means either in the actions listed.
_NAMES = ("DatabaseName", "TableName")
_INPUTS = ("DatabaseInput", "TableInput")
_NAME_IS_ONE = frozenset(
    ("GetDatabase", "UpdateDatabase", "DeleteDatabase", "GetTable", "DeleteTable")
)


class ConcurrentModificationException(GlueClientError):
    def __init__(self, text: str) -> None:
        super().__init__("ConcurrentModificationException", text)


class LocalGlueResponse(GlueResponse):
    @property
    def parameters(self) -> dict[str, Any]:
        return folded(json.loads(self.body), self._get_action())

    def update_table(self) -> ActionResult:
        request = self.parameters
        table_input = request["TableInput"]
        table = self.glue_backend.get_table(request["DatabaseName"], table_input["Name"])
        current = table._current_version
        wanted = request.get("VersionId")
        if wanted is not None and str(wanted) != str(current):
            raise ConcurrentModificationException(
                f"Update table failed due to concurrent modifications: {table.database_name}."
                f"{table.name} is at version {current}, not {wanted}."
            )
        table.update(table_input)
        if request.get("SkipArchive"):
            table.versions.pop(str(current), None)
        return EmptyResult()

    def get_tables(self) -> ActionResult:
        request = self.parameters
        tables = self.glue_backend.get_tables(request["DatabaseName"], request.get("Expression"))
        return self._page("TableList", [table.as_dict() for table in tables])

    def get_databases(self) -> ActionResult:
        databases = self.glue_backend.get_databases()
        return self._page("DatabaseList", [database.as_dict() for database in databases])

    def _page(self, key: str, items: list[dict[str, Any]]) -> ActionResult:
        """A page in the order of names; its token is the last name, so that changes between two
        pages neither repeat nor hide an item."""
        items.sort(key=lambda item: str(item["Name"]))
        after = self.parameters.get("NextToken")
        if after:
            items = [item for item in items if item["Name"] > after]
        limit = int(self.parameters.get("MaxResults") or 100)
        document: dict[str, Any] = {key: items[:limit]}
        if len(items) > limit:
            document["NextToken"] = items[limit - 1]["Name"]
        return ActionResult(document)


def folded(request: dict[str, Any], action: str) -> dict[str, Any]:
    """The request with the names of databases and tables in lower case."""
    for field in _NAMES:
        if isinstance(request.get(field), str):
            request[field] = request[field].lower()
    if action in _NAME_IS_ONE and isinstance(request.get("Name"), str):
        request["Name"] = request["Name"].lower()
    for field in _INPUTS:
        named = request.get(field)
        if isinstance(named, dict) and isinstance(named.get("Name"), str):
            named["Name"] = named["Name"].lower()
    if "TablesToDelete" in request:
        request["TablesToDelete"] = [name.lower() for name in request["TablesToDelete"]]
    return request


def install() -> None:
    """Put this behind moto's Glue."""
    moto.glue.urls.url_paths["{0}/$"] = LocalGlueResponse.dispatch
