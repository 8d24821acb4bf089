"""From rows to the bytes of Parquet files.

One row group a file: a landing batch is far smaller than the 128 MB at which Athena would split
it, and compaction rewrites closed hours. Statistics and the page index let Athena skip pages.
zstd level 1 costs as much as snappy here and is a third smaller (see bench/README.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minilab.lake.layout import failed_prefix, raw_prefix
from minilab.landing.model import Decoded, LakeFile

# Columns with few values. Others would only fill a dictionary to throw it away.
_DICTIONARY = [
    "source",
    "type",
    "specversion",
    "tenant",
    "datacontenttype",
    "dataschema",
    "stage",
    "reason",
    "bus",
    "shard",
    "item",
    "landed_at",
    "batch_id",
]
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1


def encode(decoded: Decoded) -> tuple[LakeFile, ...]:
    """The files of one batch: events and failed events, as far as there are any."""
    return tuple(_files(decoded))


def _files(decoded: Decoded) -> Iterator[LakeFile]:
    partition = decoded.name.partition
    for prefix, table in (
        (raw_prefix(partition), decoded.events),
        (failed_prefix(partition), decoded.failed),
    ):
        if table.num_rows:
            key = f"{prefix}{decoded.name.batch_id}.parquet"
            yield LakeFile(key, to_parquet(table), table.num_rows)


def to_parquet(table: pa.Table) -> pa.Buffer:
    """The table as one Parquet file with one row group. The same rows give the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=max(1, table.num_rows),
        **parquet_options(table.column_names),
    )
    return sink.getvalue()


def parquet_options(columns: Sequence[str]) -> dict[str, Any]:
    """How every file of the lake's raw tables is written."""
    return {
        "compression": COMPRESSION,
        "compression_level": COMPRESSION_LEVEL,
        "use_dictionary": [name for name in columns if name in _DICTIONARY],
        "write_statistics": True,
        "write_page_index": True,
        "store_schema": False,
    }
