"""The clients that people use, unchanged: awswrangler, PyAthena, dbt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ORDINARY = Path(__file__).parent / "dbt_ordinary"


@pytest.fixture
def sales(environ):
    environ(
        f"create table sales with (external_location = 's3://{environ.bucket}/sales/', "
        "partitioned_by = array['day']) as select * from (values "
        "(1, 'a', decimal '1.50', timestamp '2024-01-01 10:00:00', date '2024-01-01'), "
        "(2, null, null, null, date '2024-01-02')) as v(id, name, amount, at, day)"
    )
    return environ


@pytest.mark.parametrize("ctas", [True, False])
@pytest.mark.parametrize("unload", [True, False])
def test_awswrangler_reads_queries(sales, ctas, unload):
    import awswrangler as wr

    if ctas and unload:
        pytest.skip("awswrangler takes one of the two")
    frame = wr.athena.read_sql_query(
        "select * from sales order by id",
        database=sales.database,
        ctas_approach=ctas,
        unload_approach=unload,
        s3_output=f"s3://{sales.bucket}/wr/{ctas}{unload}/",
    )
    frame = frame.sort_values("id").reset_index(drop=True)
    assert frame["id"].tolist() == [1, 2]
    assert frame["name"].tolist()[0] == "a"
    assert frame["name"].isna().tolist() == [False, True]
    assert str(frame["amount"].tolist()[0]) == "1.50"
    assert str(frame["at"].tolist()[0]) == "2024-01-01 10:00:00"
    assert [str(d) for d in frame["day"]] == ["2024-01-01", "2024-01-02"]


def test_awswrangler_catalog_and_writes(sales):
    import awswrangler as wr
    import pandas as pd

    assert wr.catalog.get_table_types(database=sales.database, table="sales")["day"] == "date"
    wr.s3.to_parquet(
        pd.DataFrame({"n": [1, 2, 3], "p": ["x", "x", "y"]}),
        path=f"s3://{sales.bucket}/frame/",
        dataset=True,
        database=sales.database,
        table="frame",
        partition_cols=["p"],
    )
    assert sales("select p, sum(n) from frame group by p order by p").rows == [
        ["x", "3"],
        ["y", "3"],
    ]
    text = wr.athena.show_create_table(
        "frame", database=sales.database, s3_output=f"s3://{sales.bucket}/wr/"
    )
    assert text.startswith("CREATE EXTERNAL TABLE")
    described = wr.athena.describe_table(
        "frame", database=sales.database, s3_output=f"s3://{sales.bucket}/wr/"
    )
    assert described["Column Name"].tolist() == ["n", "p"]


def test_pyathena_cursors(sales):
    import datetime
    from decimal import Decimal

    from pyathena import connect
    from pyathena.pandas.cursor import PandasCursor

    made = connect(
        s3_staging_dir=f"s3://{sales.bucket}/pa/",
        schema_name=sales.database,
        region_name=sales.environ["AWS_REGION"],
        poll_interval=0.05,
    )
    cursor = made.cursor()
    cursor.execute("select id, name, amount, at, day from sales where id = %(id)s", {"id": 1})
    assert [d[0] for d in cursor.description] == ["id", "name", "amount", "at", "day"]
    assert cursor.fetchall() == [
        (
            1,
            "a",
            Decimal("1.50"),
            datetime.datetime(2024, 1, 1, 10),
            datetime.date(2024, 1, 1),
        )
    ]
    frame = made.cursor(PandasCursor).execute("select id, name from sales order by id").as_pandas()
    assert frame["id"].tolist() == [1, 2]


@pytest.fixture
def ordinary(environ, tmp_path):
    """``ordinary("build", …)`` runs dbt in a copy of the ordinary project."""
    project = tmp_path / "ordinary"
    shutil.copytree(ORDINARY, project)
    settings = {
        **os.environ,
        "ORDINARY_BUCKET": environ.bucket,
        "ORDINARY_SCHEMA": environ.database,
        "DBT_PROFILES_DIR": str(project),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }

    def dbt(*arguments: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments],
            cwd=project,
            env=settings,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dbt.project = project
    return dbt


def test_an_ordinary_dbt_project_builds_twice_changes_and_documents(ordinary, environ):
    assert "PASS=22 WARN=0 ERROR=0" in ordinary("build")
    merged = "select order_id, status, nth_order from orders_merge order by order_id"
    first = environ(merged).rows
    assert first[0] == ["1", "placed", "1"]
    assert "PASS=22 WARN=0 ERROR=0" in ordinary("build")
    assert environ(merged).rows == first
    assert environ("select count(*) from orders_append").value == "6"
    assert environ("select sum(orders) from daily_overwrite").value == "6"
    assert environ("select count(*) from orders_snapshot_hive").value == "6"

    seed = ordinary.project / "seeds" / "raw_orders.csv"
    text = seed.read_text().replace(
        "1,1,placed,2024-04-01 08:00:00", "1,1,shipped,2024-04-05 08:00:00"
    )
    seed.write_text(text + "7,4,placed,2024-04-05 01:00:00,3.00\n")
    assert "PASS=22 WARN=0 ERROR=0" in ordinary("build", "--vars", "{wider: true}")
    assert environ(
        "select order_id, status, added from orders_merge where order_id in (1, 7) order by 1"
    ).rows == [["1", "shipped", "new"], ["7", "placed", "new"]]
    assert environ("select count(*) from orders_append").value == "7"
    for table in ("orders_snapshot_hive", "orders_snapshot_iceberg"):
        assert environ(
            f"select status, dbt_valid_to is null from {table} where order_id = 1 "
            "order by dbt_valid_from"
        ).rows == [["placed", "false"], ["shipped", "true"]], table
    assert environ("select order_date, orders from daily_overwrite order by 1 desc").rows[0] == [
        "2024-04-05",
        "2",
    ]
    assert "Catalog written" in ordinary("docs", "generate")
