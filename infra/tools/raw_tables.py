"""Write the raw tables of ``minilab/lake/tables.py`` as JSON, for Terraform to make them in Glue.

python infra/tools/raw_tables.py            write infra/generated/raw_tables.json
python infra/tools/raw_tables.py --check    say whether it is out of date, and fail
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from minilab.lake.tables import TABLES, Column

TARGET = Path(__file__).resolve().parents[1] / "generated" / "raw_tables.json"


def document() -> str:
    """By table: its prefix in the lake, a comment, columns and partition keys in their order."""
    tables = {
        table.name: {
            "comment": table.comment,
            "prefix": table.prefix,
            "columns": [_column(column) for column in table.columns],
            "partition_keys": [_column(column) for column in table.partition_keys],
        }
        for table in TABLES
    }
    return json.dumps(tables, indent=2) + "\n"


def _column(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": column.glue, "comment": column.comment}


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        if not TARGET.exists() or TARGET.read_text() != document():
            sys.exit(
                "infra/generated/raw_tables.json is out of date: run infra/tools/raw_tables.py"
            )
        return
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(document())


if __name__ == "__main__":
    main()
