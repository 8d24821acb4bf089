"""Databases, tables, views and partitions: what DDL and writes leave behind."""

from __future__ import annotations


def ctas(athena, name: str, query: str, **properties: str) -> None:
    options = {"external_location": f"'s3://{athena.bucket}/{name}/'", **properties}
    listed = ", ".join(f"{k} = {v}" for k, v in options.items())
    return athena(f"create table {name} with ({listed}) as {query}")


def glue_table(athena, name: str) -> dict:
    return athena.client("glue").get_table(DatabaseName=athena.database, Name=name)["Table"]


def test_ctas_registers_columns_and_partitions_in_glue(athena):
    query = (
        "select 1 as a, timestamp '2024-01-01 10:00:00' as t, map(array['k'], array[1.5]) as m, "
    )
    made = ctas(
        athena,
        "t",
        query + "date '2024-01-01' as d, 'x/y=z' as p union all "
        "select 2, timestamp '2024-01-02 00:00:00', null, date '2024-01-02', null",
        partitioned_by="array['d', 'p']",
    )
    assert made.update_count == 2
    table = glue_table(athena, "t")
    assert [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]] == [
        ("a", "int"),
        ("t", "timestamp"),
        ("m", "map<varchar(1),double>"),
    ]
    assert [k["Name"] for k in table["PartitionKeys"]] == ["d", "p"]
    partitions = athena.client("glue").get_partitions(DatabaseName=athena.database, TableName="t")[
        "Partitions"
    ]
    assert sorted(p["Values"] for p in partitions) == [
        ["2024-01-01", "x/y=z"],
        ["2024-01-02", "__HIVE_DEFAULT_PARTITION__"],
    ]
    assert any("/d=2024-01-01/p=x%2Fy%3Dz/" in key for key in athena.keys("t/"))
    assert athena(
        "select a, m['k'], d, p from t where p is null or p = 'x/y=z' order by a"
    ).rows == [
        ["1", "1.5", "2024-01-01", "x/y=z"],
        ["2", None, "2024-01-02", None],
    ]


def test_ctas_refuses_a_folder_in_use_and_leaves_it_alone(athena):
    athena.put("t/there.txt", "mine")
    assert "HIVE_PATH_ALREADY_EXISTS" in fails_ctas(athena, "t", "select 1 as a")
    assert athena.keys("t/") == ["t/there.txt"]


def fails_ctas(athena, name: str, query: str, **properties: str) -> str:
    options = {"external_location": f"'s3://{athena.bucket}/{name}/'", **properties}
    listed = ", ".join(f"{k} = {v}" for k, v in options.items())
    return athena.fails(f"create table {name} with ({listed}) as {query}")


def test_ctas_says_what_athena_would_say(athena):
    ctas(athena, "t", "select 1 as a")
    assert "already exists" in fails_ctas(athena, "t", "select 1 as a")
    assert "MISSING_COLUMN_NAME" in fails_ctas(athena, "u", "select 1")
    assert "DUPLICATE_COLUMN_NAME" in fails_ctas(athena, "u", "select 1 as a, 2 as a")
    order = fails_ctas(athena, "u", "select 1 as p, 2 as a", partitioned_by="array['p']")
    assert "HIVE_COLUMN_ORDER_MISMATCH" in order
    many = "select n as a, n as p from unnest(sequence(1, 101)) as x(n)"
    too_many = fails_ctas(athena, "u", many, partitioned_by="array['p']")
    assert "TOO_MANY_OPEN_PARTITIONS" in too_many
    assert "INVALID_TABLE_PROPERTY" in fails_ctas(athena, "u", "select 1 as a", nonsense="1")
    assert athena.keys("u/") == []


def test_ctas_with_no_data_and_if_not_exists(athena):
    name = f"create table if not exists t with (external_location = 's3://{athena.bucket}/t/')"
    assert athena(f"{name} as select 1 as a, 'x' as b with no data").update_count == 0
    assert athena("select * from t").columns == ["a", "b"]
    assert athena(f"{name} as select 2 as a").update_count == 0
    assert athena("select count(*) from t").value == "0"


def test_insert_adds_rows_and_partitions_by_column_name(athena):
    ctas(
        athena,
        "t",
        "select 1 as a, cast('x' as varchar) as b, 10 as p",
        partitioned_by="array['p']",
    )
    assert athena("insert into t values (2, 'y', 20), (3, null, 10)").update_count == 2
    assert athena("insert into t (p, a) select 30, 4").update_count == 1
    assert athena("select a, b, p from t order by a").rows == [
        ["1", "x", "10"],
        ["2", "y", "20"],
        ["3", None, "10"],
        ["4", None, "30"],
    ]
    assert athena("show partitions t").rows == [["p=10"], ["p=20"], ["p=30"]]
    mismatch = athena.fails("insert into t values ('x', 'y', 1)")
    assert mismatch.startswith("TYPE_MISMATCH: Insert query has mismatched column types")
    assert athena.fails("insert into t (nope) values (1)").startswith("COLUMN_NOT_FOUND")
    assert athena("select count(*) from t").value == "4"


def test_text_and_json_tables_can_be_written_and_read_back(athena):
    query = "select 1 as a, cast('x y' as varchar) as b union all select 2, null"
    for format in ("json", "textfile"):
        ctas(athena, format, query, format=f"'{format}'")
        athena(f"insert into {format} values (3, 'z')")
        assert athena(f"select * from {format} order by a").rows == [
            ["1", "x y"],
            ["2", None],
            ["3", "z"],
        ]
    assert "NOT_SUPPORTED" in fails_ctas(athena, "avro", query, format="'avro'")


def test_views_keep_their_database_and_follow_their_tables(athena):
    ctas(
        athena, "t", "select 1 as a, 'x' as p union all select 2, 'y'", partitioned_by="array['p']"
    )
    athena("create view v as -- why\nselect a as n, p from t")
    athena("create or replace view w (k) as select n from v where n > 1".replace(" (k)", ""))
    elsewhere = {"QueryExecutionContext": {"Database": "default"}}
    assert athena(f"select n from {athena.database}.w", **elsewhere).value == "2"
    view = glue_table(athena, "v")
    assert view["TableType"] == "VIRTUAL_VIEW"
    assert view["ViewOriginalText"].startswith("/* Presto View: ")
    assert [c["Name"] for c in view["StorageDescriptor"]["Columns"]] == ["n", "p"]
    assert athena("show create view v").rows[0] == [f"CREATE VIEW {athena.database}.v AS"]
    assert "already exists" in athena.fails("create view v as select 1 as a")
    athena("insert into t values (3, 'y')")
    assert athena("select count(*) from w").value == "2"
    athena("drop view w")
    athena("drop view if exists w")
    assert "Cannot drop a view" in athena.fails("drop table v")


def test_msck_registers_what_lies_in_hive_folders(athena):
    for day in ("2024-01-01", "2024-01-02"):
        where = athena.put(f"t/day={day}/x.csv", "1\n")
    location = where.rpartition("day=")[0]
    athena(
        "create external table t (a int) partitioned by (day string) row format delimited "
        f"fields terminated by ',' location '{location}'"
    )
    assert athena("select count(*) from t").value == "0"
    athena("msck repair table t")
    assert athena("select count(*) from t").value == "2"
    athena("alter table t drop partition (day = '2024-01-01')")
    assert athena("show partitions t").rows == [["day=2024-01-02"]]
    assert "Partition not found" in athena.fails("alter table t drop partition (day = 'x')")
    athena("alter table t drop if exists partition (day = 'x')")
    assert len(athena.keys("t/")) == 2


def test_hive_columns_can_be_added_replaced_and_changed(athena):
    ctas(athena, "t", "select 1 as a, cast('x' as varchar) as b")
    athena("alter table t add columns (c double, d array<string>)")
    assert athena("select * from t").rows == [["1", "x", None, None]]
    athena("alter table t change column c e bigint comment 'why'")
    assert athena("select * from t").columns == ["a", "b", "e", "d"]
    athena("alter table t replace columns (b string, a int)")
    assert athena("select * from t").rows == [["x", "1"]]
    athena("alter table t set tblproperties ('classification' = 'parquet')")
    assert ["classification", "parquet"] in athena("show tblproperties t").rows
    assert athena("show columns in t").rows[0][0].strip() == "b"
    described = [row[0].split("\t") for row in athena("describe t").rows]
    assert [cell.strip() for cell in described[0]] == ["b", "string", ""]


def test_show_create_table_makes_the_same_table_again(athena):
    ctas(athena, "t", "select 1 as a, cast('x' as varchar) as p", partitioned_by="array['p']")
    lines = [row[0] for row in athena("show create table t").rows]
    text = "\n".join(lines)
    again = text.replace(f"`{athena.database}.t`", "t2")
    athena(again)
    athena("msck repair table t2")
    assert athena("select a, p from t2").rows == [["1", "x"]]


def test_schemas_are_created_and_dropped(athena):
    other = f"{athena.database}_b"
    athena(
        f"create database if not exists `{other}` comment 'c' location 's3://{athena.bucket}/o/'"
    )
    athena(f"create schema if not exists {other}")
    assert "AlreadyExistsException" in athena.fails(f"create schema {other}")
    athena(f"create view {other}.v as select 1 as a")
    assert "is not empty" in athena.fails(f"drop schema {other}")
    assert [other] in athena("show databases").rows
    assert athena(f"show tables in {other}").rows == [["v"]]
    athena(f"drop schema {other} cascade")
    athena(f"drop schema if exists {other}")
    assert "does not exist" in athena.fails(f"drop schema {other}")


def test_dropping_an_external_table_keeps_its_data(athena):
    ctas(athena, "t", "select 1 as a")
    athena("drop table t")
    assert len(athena.keys("t/")) == 1
    athena("drop table if exists t")
    assert "Table not found" in athena.fails("drop table t")


def test_unload_writes_files_and_refuses_a_folder_in_use(athena):
    to = f"s3://{athena.bucket}/out/"
    sql = f"unload (select 1 as a, '(' as b) to '{to}' with (format = 'JSON', compression = 'none')"
    assert athena(sql).update_count == 1
    (key,) = athena.keys("out/")
    body = athena.client("s3").get_object(Bucket=athena.bucket, Key=key)["Body"].read()
    assert body == b'{"a":1,"b":"("}\n'
    assert "HIVE_PATH_ALREADY_EXISTS" in athena.fails(sql)


def test_every_hive_type_can_be_declared_and_read(athena):
    athena(
        "create external table t (a tinyint, b smallint, c int, d bigint, e boolean, f float, "
        "g double, h decimal(12,3), i string, j varchar(5), k char(3), l binary, m date, "
        "n timestamp, o array<int>, p map<string,int>, q struct<x:int,y:array<string>>) "
        f"stored as parquet location 's3://{athena.bucket}/t/'"
    )
    athena(
        "insert into t values (tinyint '1', smallint '2', 3, 4, true, real '1.5', 2.5, "
        "decimal '3.125', 's', 'v', 'abc', X'ff', date '2024-01-01', "
        "timestamp '2024-01-01 01:02:03.456', array[1, null], map(array['k'], array[1]), "
        "row(1, array['z']))"
    )
    result = athena("select * from t")
    assert result.rows == [
        [
            *("1", "2", "3", "4", "true", "1.5", "2.5", "3.125", "s", "v", "abc", "ff"),
            *("2024-01-01", "2024-01-01 01:02:03.456", "[1, null]", "{k=1}", "{x=1, y=[z]}"),
        ]
    ]
    assert result.types[:9] == [
        *("tinyint", "smallint", "integer", "bigint", "boolean", "float", "double", "decimal"),
        "varchar",
    ]
    assert result.types[11:] == ["varbinary", "date", "timestamp", "array", "map", "row"]
