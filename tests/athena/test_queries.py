"""SELECT over Glue's tables: what is read, how names resolve, how results are told."""

from __future__ import annotations

import csv
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq


def parquet(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_parquet_files_are_read_by_column_name_and_old_ones_lack_new_columns(athena):
    athena.put("t/old.parquet", parquet(b=pa.array(["x"]), a=pa.array([1], pa.int32())))
    where = athena.put("t/new.parquet", parquet(A=[2], c=[1.5]))
    athena(
        "create external table t (a bigint, b string, c double) stored as parquet "
        f"location '{where}'"
    )
    result = athena("select * from t order by a")
    assert result.columns == ["a", "b", "c"]
    assert result.rows == [["1", "x", None], ["2", None, "1.5"]]
    assert result.types == ["bigint", "varchar", "double"]


def test_partitions_come_from_glue_whatever_the_paths_say(athena):
    where = athena.put("elsewhere/one.parquet", parquet(a=[1]))
    athena.put("t/day=2024-01-02/two.parquet", parquet(a=[2]))
    athena(
        "create external table t (a int) partitioned by (day date, n int) stored as parquet "
        f"location 's3://{athena.bucket}/t/'"
    )
    athena(
        f"alter table t add partition (day = '2024-01-01', n = 7) location '{where}' "
        f"partition (day = '2024-01-02', n = 8) location 's3://{athena.bucket}/t/day=2024-01-02/'"
    )
    result = athena("select a, day, n from t order by a")
    assert result.rows == [["1", "2024-01-01", "7"], ["2", "2024-01-02", "8"]]
    assert result.types == ["integer", "date", "integer"]


def test_predicates_on_partition_keys_decide_what_is_scanned(athena):
    athena(
        "create table t with (external_location = "
        f"'s3://{athena.bucket}/t/', partitioned_by = array['p']) as "
        "select n, cast(n % 10 as integer) as p from unnest(sequence(1, 1000)) as x(n)"
    )
    whole = athena("select count(*) from t")
    assert whole.value == "1000"
    scanned = whole.execution["Statistics"]["DataScannedInBytes"]
    for predicate in ("p = 3", "p between 3 and 3", "t.p in (3)", "p > 2 and p + 1 <= 4"):
        one = athena(f"select count(*) from t where {predicate}")
        assert one.value == "100"
        assert one.execution["Statistics"]["DataScannedInBytes"] < scanned / 5
    outer = athena(
        "select count(*) from (select 3 as k union all select 99) x left join t on t.p = x.k "
        "where t.p is null"
    )
    assert outer.value == "1"


def test_a_partition_without_files_and_a_table_without_partitions_are_empty(athena):
    athena(
        "create external table t (a int) partitioned by (p string) stored as parquet "
        f"location 's3://{athena.bucket}/none/'"
    )
    assert athena("select * from t").rows == []
    athena(f"alter table t add partition (p = 'x') location 's3://{athena.bucket}/nothing/'")
    assert athena("select a, p from t where p = 'x'").rows == []


def test_opencsv_reads_quotes_and_skips_headers(athena):
    body = 'id,name,n\n1,"a, ""b""",10\n2,,\n'
    where = athena.put("t/data.csv", body)
    athena(
        "create external table t (id string, name string, n int) row format serde "
        f"'org.apache.hadoop.hive.serde2.OpenCSVSerde' location '{where}' "
        "tblproperties ('skip.header.line.count' = '1')"
    )
    assert athena("select * from t order by id").rows == [
        ["1", 'a, "b"', "10"],
        ["2", "", None],
    ]


def test_delimited_text_turns_what_it_cannot_parse_into_null(athena):
    where = athena.put("t/data.gz", gzip.compress(b"1|x|2024-01-01\nno|\\N|never\n3|\n"))
    athena(
        "create external table t (a int, b string, d date) row format delimited "
        f"fields terminated by '|' location '{where}'"
    )
    assert athena("select * from t").rows == [
        ["1", "x", "2024-01-01"],
        [None, None, None],
        ["3", "", None],
    ]


def test_json_lines_with_nested_columns(athena):
    lines = '{"id": 1, "tags": ["a", "b"], "at": {"x": 1}}\n{"id": 2, "other": true}\n'
    where = athena.put("t/data.json.gz", gzip.compress(lines.encode()))
    athena(
        "create external table t (id bigint, tags array<string>, at struct<x:int>) row format "
        f"serde 'org.openx.data.jsonserde.JsonSerDe' location '{where}'"
    )
    assert athena("select id, tags[1], at.x from t where tags is not null").rows == [
        ["1", "a", "1"]
    ]
    assert athena("select count(*) from t where tags is null").value == "1"


def test_json_keys_are_matched_without_regard_to_case(athena):
    where = athena.put("t/data.json", '{"userId": 1}\n{"USERID": 2}\n{"userid": 3}\n')
    athena(
        "create external table t (userid bigint) row format "
        f"serde 'org.openx.data.jsonserde.JsonSerDe' location '{where}'"
    )
    assert athena("select userid from t order by 1").rows == [["1"], ["2"], ["3"]]


def test_broken_json_is_said_and_not_skipped(athena):
    where = athena.put("t/data.json", '{"id": 1}\n{"id": \n')
    athena(
        "create external table t (id bigint) row format "
        f"serde 'org.openx.data.jsonserde.JsonSerDe' location '{where}'"
    )
    assert athena.fails("select * from t").startswith("HIVE_CURSOR_ERROR")


def test_common_table_expressions_hide_tables_of_their_name(athena):
    athena(f"create table t with (external_location = 's3://{athena.bucket}/t/') as select 1 as a")
    assert athena("with t as (select 2 as a) select a from t").value == "2"
    assert (
        athena(f"with t as (select a + 1 as a from {athena.database}.t) select a from t").value
        == "2"
    )
    assert (
        athena("with x as (select a from t), t as (select 9 as a) select x.a from x").value == "1"
    )
    nested = "select a from (with t as (select 5 as a) select a from t) union all select a from t"
    assert sorted(row[0] for row in athena(nested).rows) == ["1", "5"]


def test_names_are_found_in_any_case_and_with_any_qualification(athena):
    athena(f"create table T with (external_location = 's3://{athena.bucket}/t/') as select 1 as A")
    name = f'"AwsDataCatalog"."{athena.database}"."T"'
    assert athena(f"select a from {name} where {name}.A = 1").value == "1"
    assert athena(f"select {athena.database}.t.a from {athena.database}.t").value == "1"


def test_results_are_a_quoted_csv_in_which_null_is_nothing(athena):
    result = athena("select 'a\"b' as x, cast(null as varchar) as y, '' as z, 'p,\nq' as w")
    bucket, _, key = result.execution["ResultConfiguration"]["OutputLocation"][5:].partition("/")
    body = athena.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert body == '"x","y","z","w"\n"a""b",,"","p,\nq"\n'
    assert next(csv.reader(io.StringIO(body))) == result.columns
    assert athena.client("s3").head_object(Bucket=bucket, Key=f"{key}.metadata")


def test_long_results_are_paged_and_agree_with_the_file(athena):
    result = athena(
        "select n, if(n % 7 = 0, null, '\"' || cast(n as varchar)) from "
        "unnest(sequence(1, 3500)) as x(n) order by n"
    )
    assert len(result.rows) == 3500
    assert result.rows[6] == ["7", None]
    assert result.rows[3498] == ["3499", '"3499']


def test_parameters_fill_question_marks(athena):
    assert athena("select ? || ?, cast(? as integer)", "'a''b'", "'c'", "5").rows == [["a'bc", "5"]]


def test_unnamed_columns_are_called_by_their_position(athena):
    assert athena("select 1, 'x' as b, count(*), max(1) from (values 1) as v(a)").columns == [
        "_col0",
        "b",
        "_col2",
        "_col3",
    ]
    assert athena("select _col0 from (select 1 + 1)").value == "2"


def test_the_everyday_functions_of_a_warehouse(athena):
    sql = """
    with events as (
      select * from (values
        (1, 'a', '{"plan": "pro", "n": 2}', timestamp '2024-01-01 10:00:00', array['x', 'y']),
        (1, 'a', '{"plan": "pro", "n": 3}', timestamp '2024-01-02 11:30:00', array['y']),
        (2, 'b', '{"plan": "free"}', timestamp '2024-02-01 00:00:00', array[])
      ) as v(id, tenant, data, at, tags)
    ), latest as (
      select *, row_number() over (partition by id order by at desc) as rn from events
    )
    select id, tenant, json_extract_scalar(data, '$.plan') as plan,
           try_cast(json_extract_scalar(data, '$.n') as integer) as n,
           date_trunc('month', at) as month,
           date_diff('hour', at, from_iso8601_timestamp('2024-02-02T00:00:00Z')) as hours,
           cardinality(tags) as tags, lag(id) over (order by id) as before
    from latest where rn = 1 order by id
    """
    assert athena(sql).rows == [
        ["1", "a", "pro", "3", "2024-01-01 00:00:00.000", "732", "1", None],
        ["2", "b", "free", None, "2024-02-01 00:00:00.000", "24", "0", "1"],
    ]
    assert athena(
        "select t, count(*), array_agg(n order by n) from (values (1, array['a', 'b']), "
        "(2, array['b'])) as v(n, tags) cross join unnest(tags) as u(t) group by t order by t"
    ).rows == [["a", "1", "[1]"], ["b", "2", "[1, 2]"]]
    assert athena("select approx_distinct(x) from unnest(sequence(1, 10)) as v(x)").value == "10"


def test_errors_are_athenas_own(athena):
    athena(f"create table t with (external_location = 's3://{athena.bucket}/t/') as select 1 as a")
    missing = athena.fails("select a, nope from t")
    assert missing.startswith("COLUMN_NOT_FOUND: line 1:11: Column 'nope' cannot be resolved")
    assert athena.fails("select * from nope").startswith(
        f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{athena.database}.nope' does not"
    )
    assert athena.fails("select * from nodb.t").startswith("SCHEMA_NOT_FOUND")
    assert athena.fails("select 1 / 0") == "DIVISION_BY_ZERO: Division by zero"
    assert athena.fails("select cast('x' as integer)").startswith("INVALID_CAST_ARGUMENT")
    assert "FUNCTION_NOT_FOUND" in athena.fails("select no_such_function(1)")
    assert athena.fails("select sum(a), a from t").startswith("EXPRESSION_NOT_AGGREGATE")


def test_information_schema_tells_of_tables_and_columns(athena):
    athena(
        f"create table t with (external_location = 's3://{athena.bucket}/t/', "
        "partitioned_by = array['p']) as select 1 as a, 'x' as p"
    )
    athena("create view v as select a from t")
    where = f"where table_schema = '{athena.database}'"
    assert athena(
        f"select table_name, table_type from information_schema.tables {where} order by 1"
    ).rows == [["t", "BASE TABLE"], ["v", "VIEW"]]
    assert athena(
        "select column_name, data_type, extra_info from information_schema.columns "
        f"{where} and table_name = 't' order by ordinal_position"
    ).rows == [["a", "integer", None], ["p", "varchar(1)", "partition key"]]
    mine = f"where schema_name = '{athena.database}'"
    assert athena(f"select count(*) from information_schema.schemata {mine}").value == "1"
