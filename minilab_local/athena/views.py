"""Views as Athena keeps them in Glue: a Presto view in ViewOriginalText."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from minilab_local.athena.catalog import Column, TableName
from minilab_local.athena.context import GLUE_CATALOG


def table_input(
    name: TableName, text: str, columns: Sequence[Column], database: str, comment: str | None
) -> dict[str, Any]:
    """Glue's TableInput of a view that reads ``text``, its names meant in ``database``."""
    definition = {
        "originalSql": text,
        "catalog": GLUE_CATALOG,
        "schema": database,
        "columns": [{"name": c.name, "type": c.type.trino()} for c in columns],
    }
    encoded = base64.b64encode(json.dumps(definition).encode()).decode()
    return {
        "Name": name.table,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": comment or "Presto View"},
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": c.name, "Type": c.type.hive()} for c in columns],
            "Location": "",
            "NumberOfBuckets": 0,
            "SerdeInfo": {},
        },
    }
