"""Iceberg tables: partitions, row changes, schema evolution, history, upkeep, concurrency."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def iceberg(athena):
    """``iceberg(name, query, partitioning)`` makes a table."""

    def make(name: str, query: str, *partitioning: str):
        listed = ", ".join(f"'{p}'" for p in partitioning)
        parts = f", partitioning = array[{listed}]" if partitioning else ""
        return athena(
            f"create table {name} with (table_type = 'ICEBERG', is_external = false, "
            f"location = 's3://{athena.bucket}/{name}/'{parts}) as {query}"
        )

    return make


def files(athena, table: str) -> set[str]:
    return {row[0] for row in athena(f'select file_path from "{table}$files"').rows}


TEN_DAYS = (
    "select n as id, timestamp '2024-01-01 12:00:00' + n / 100 * interval '1' day as at, "
    "cast(n as varchar) as v from unnest(sequence(0, 999)) as x(n)"
)


def test_ctas_commits_once_and_says_so_in_glue(athena, iceberg):
    assert iceberg("t", TEN_DAYS, "day(at)").update_count == 1000
    table = athena.client("glue").get_table(DatabaseName=athena.database, Name="t")["Table"]
    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["Parameters"]["metadata_location"].startswith(f"s3://{athena.bucket}/t/metadata/")
    assert len(athena('select * from "t$snapshots"').rows) == 1
    assert len(files(athena, "t")) == 10
    result = athena("select * from t where id = 7")
    assert result.rows == [["7", "2024-01-01 12:00:00.000000", "7"]]
    assert result.types == ["bigint", "timestamp", "varchar"]


def test_predicates_leave_out_files_by_partition_and_by_statistics(athena, iceberg):
    iceberg("t", TEN_DAYS, "day(at)")
    whole = athena("select count(*) from t").execution["Statistics"]["DataScannedInBytes"]
    for predicate, rows in (
        ("at < timestamp '2024-01-02'", "100"),
        ("id = 555", "1"),
        ("id in (1, 2) and v <> 'x'", "2"),
        ("at between date '2024-01-03' and date '2024-01-04'", "100"),
    ):
        found = athena(f"select count(*) from t where {predicate}")
        assert found.value == rows, predicate
        assert found.execution["Statistics"]["DataScannedInBytes"] <= whole / 4, predicate


@pytest.mark.parametrize(
    ("transform", "count"),
    [
        ("year(at)", 3),
        ("month(at)", 4),
        ("day(d)", 4),
        ("hour(at)", 4),
        ("bucket(s, 4)", None),
        ("bucket(16, id)", None),
        ("truncate(s, 1)", 3),
        ("truncate(id, 10)", 4),
        ("d", 4),
    ],
)
def test_every_partition_transform_writes_and_prunes(athena, iceberg, transform, count):
    rows = (
        "select * from (values (-3, timestamp '1969-12-31 23:59:59', 'aa', date '1969-12-31'), "
        "(4, timestamp '2024-01-01 00:00:00', 'ab', date '2024-01-01'), "
        "(15, timestamp '2024-02-29 10:30:00', 'bc', date '2024-02-29'), "
        "(null, null, null, null)) as v(id, at, s, d)"
    )
    iceberg("t", rows, transform)
    athena(f"insert into t {rows}")
    if count is not None:
        assert len(files(athena, "t")) == 2 * count
    assert athena("select count(*) from t").value == "8"
    assert athena("select count(*) from t where id = 4 and s = 'ab'").value == "2"
    assert athena("select count(*) from t where at < timestamp '1970-01-01'").value == "2"
    assert athena("select count(*) from t where d is null").value == "2"
    athena("delete from t where id = 15")
    assert athena("select count(*) from t").value == "6"


def test_merge_updates_deletes_and_inserts_and_touches_only_files_with_matches(athena, iceberg):
    iceberg("t", TEN_DAYS, "day(at)")
    before = files(athena, "t")
    merged = athena(
        "merge into t as target using (select * from (values "
        "(5, 'five'), (6, 'gone'), (7, 'kept'), (5000, 'new'), (5001, 'unwanted')) as s(id, v)"
        ") as src on (target.id = src.id) "
        "when matched and src.v = 'gone' then delete "
        "when matched and src.v <> 'kept' then update set v = src.v || target.v, at = target.at "
        "when not matched and src.v = 'new' then insert (id, v) values (src.id, src.v)"
    )
    assert merged.update_count == 3
    assert athena("select id, v from t where id in (5, 6, 7, 5000, 5001) order by id").rows == [
        ["5", "five5"],
        ["7", "7"],
        ["5000", "new"],
    ]
    assert athena("select count(*), count(distinct id) from t").rows == [["1000", "1000"]]
    after = files(athena, "t")
    assert len(before - after) == 1
    assert len(after - before) == 2


def test_merge_says_when_two_source_rows_match_one_row(athena, iceberg):
    iceberg("t", "select 1 as id, 'a' as v")
    source = "(select 1 as id, 'b' as v union all select 1, 'c')"
    found = athena.fails(
        f"merge into t using {source} s on t.id = s.id when matched then update set v = s.v"
    )
    assert found == (
        "MERGE_TARGET_ROW_MULTIPLE_MATCHES: "
        "One MERGE target table row matched more than one source row"
    )
    assert athena("select v from t").rows == [["a"]]
    assert len(athena('select * from "t$snapshots"').rows) == 1


def test_merge_from_itself_on_null_keys_and_with_an_empty_source(athena, iceberg):
    iceberg("t", "select 1 as id, 'a' as v union all select null, 'n'")
    athena(
        "merge into t using (select * from t) s on t.id = s.id "
        "when matched then update set v = 'b' when not matched then insert values (s.id, s.v)"
    )
    assert athena("select id, v from t order by id, v").rows == [
        ["1", "b"],
        [None, "n"],
        [None, "n"],
    ]
    merged = athena(
        "merge into t using (select * from t where false) s on t.id = s.id "
        "when matched then delete when not matched then insert values (s.id, s.v)"
    )
    assert merged.update_count == 0
    assert athena("select count(*) from t").value == "3"


def test_update_and_delete_with_subqueries_and_nulls(athena, iceberg):
    iceberg("t", TEN_DAYS, "day(at)")
    iceberg("k", "select 3 as id union all select 4")
    assert (
        athena("update t set v = upper('x' || v) where id in (select id from k)").update_count == 2
    )
    assert athena("update t set v = null, at = null where id = 5").update_count == 1
    assert athena("select id, v from t where id between 3 and 5 order by id").rows == [
        ["3", "X3"],
        ["4", "X4"],
        ["5", None],
    ]
    assert (
        athena("delete from t where v is null or id >= (select max(id) from t)").update_count == 2
    )
    assert athena("delete from t where id < 0").update_count == 0
    assert athena("select count(*) from t").value == "998"
    assert athena("delete from t").update_count == 998
    assert athena("select count(*) from t").value == "0"
    assert athena.fails("update t set nope = 1").startswith("COLUMN_NOT_FOUND")
    assert athena.fails("update t set id = 'x'").startswith("TYPE_MISMATCH")


def test_hive_tables_refuse_row_changes(athena):
    athena(f"create table h with (external_location = 's3://{athena.bucket}/h/') as select 1 as a")
    for sql in ("delete from h", "update h set a = 2", "optimize h rewrite data using bin_pack"):
        assert athena.fails(sql).startswith("NOT_SUPPORTED")


def test_columns_evolve_and_old_files_follow(athena, iceberg):
    iceberg("t", "select 1 as a, 'x' as b, real '1.5' as c")
    athena("alter table t add columns (d array<string> comment 'new', e struct<x:int>)")
    athena("insert into t values (2, 'y', 2.5, array['z'], row(9))".replace("2.5", "real '2.5'"))
    athena("alter table t change column b bb string")
    athena("alter table t change column c c double")
    athena("alter table t change column a a bigint")
    assert athena("select bb, a, c, d, e.x from t order by a").rows == [
        ["x", "1", "1.5", None, None],
        ["y", "2", "2.5", "[z]", "9"],
    ]
    athena("alter table t drop column d")
    athena("alter table t add columns (d int)")
    assert athena("select a, d from t order by a").rows == [["1", None], ["2", None]]
    assert athena("update t set d = 7 where a = 1").update_count == 1
    assert athena("select a, d, bb from t order by a").rows == [["1", "7", "x"], ["2", None, "y"]]
    athena("alter table t replace columns (a bigint, z string)")
    assert athena("select * from t order by a").rows == [["1", None], ["2", None]]


def test_renaming_keeps_rows_and_history(athena, iceberg):
    iceberg("t", "select 1 as a")
    athena("alter table t rename to u")
    athena(f"alter table {athena.database}.u rename to {athena.database}.w")
    athena("insert into w values (2)")
    assert athena("select count(*) from w").value == "2"
    assert athena.fails("select * from t").startswith("TABLE_NOT_FOUND")


def test_time_travel_by_snapshot_and_by_moment(athena, iceberg):
    iceberg("t", "select 1 as a")
    first = athena('select snapshot_id from "t$snapshots"').value
    time.sleep(0.05)
    moment = athena("select cast(current_timestamp as varchar)").value
    time.sleep(0.05)
    athena("insert into t values (2)")
    athena("alter table t add columns (b int)")
    assert athena("select count(*) from t").value == "2"
    old = athena(f"select * from t for version as of {first}")
    assert (old.columns, old.rows) == (["a"], [["1"]])
    assert athena(f"select count(*) from t for timestamp as of timestamp '{moment}'").value == "1"
    assert "INVALID_ARGUMENTS" in athena.fails("select * from t for version as of 42")
    early = athena.fails("select * from t for timestamp as of timestamp '2000-01-01 00:00:00 UTC'")
    assert "INVALID_ARGUMENTS" in early


def test_metadata_tables(athena, iceberg):
    iceberg("t", TEN_DAYS, "day(at)")
    athena(
        "insert into t values (1, timestamp '2030-01-01', 'x')".replace(
            "'2030-01-01'", "'2030-01-01 00:00:00'"
        )
    )
    assert athena('select operation from "t$snapshots" order by committed_at').rows == [
        ["append"],
        ["append"],
    ]
    assert athena('select count(*) from "t$history" where is_current_ancestor').value == "2"
    assert athena('select sum(record_count) from "t$files"').value == "1001"
    assert athena('select count(*), sum(record_count) from "t$partitions"').rows == [["11", "1001"]]
    assert athena.fails('select * from "t$nonsense"').startswith("TABLE_NOT_FOUND")


def test_optimize_packs_small_files_and_vacuum_deletes_what_no_snapshot_names(athena, iceberg):
    iceberg("t", "select 1 as a, 'p' as p", "p")
    for n in range(2, 5):
        athena(f"insert into t values ({n}, 'p'), ({n}, 'q')")
    assert len(files(athena, "t")) == 7
    athena("optimize t rewrite data using bin_pack where p = 'q'")
    assert len(files(athena, "t")) == 5
    athena("optimize t rewrite data using bin_pack")
    assert len(files(athena, "t")) == 2
    assert athena("select sum(a), count(*) from t").rows == [["19", "7"]]
    assert len(athena.keys("t/data/")) > 2
    athena("alter table t set tblproperties ('vacuum_max_snapshot_age_seconds' = '0')")
    athena("vacuum t")
    assert len(athena('select * from "t$snapshots"').rows) == 1
    assert len(athena.keys("t/data/")) == 2
    assert athena("select sum(a), count(*) from t").rows == [["19", "7"]]


def test_writers_at_the_same_time_lose_nothing(athena, iceberg):
    iceberg("t", "select 0 as id, 0 as n")

    def insert(i: int) -> None:
        athena(f"insert into t values ({i}, 0)")

    def count(_: int) -> bool:
        found = []
        for _attempt in range(5):
            try:
                athena("update t set n = n + 1 where id = 0")
                return True
            except Exception as e:
                found.append(str(e))
                assert "ICEBERG_COMMIT_ERROR" in str(e)
        raise AssertionError(found)

    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(insert, i) for i in range(1, 9)]
        done += [pool.submit(count, i) for i in range(4)]
        assert all(f.exception() is None for f in done), [f.exception() for f in done]
    assert athena("select count(*), sum(id) from t").rows == [["9", "36"]]
    assert athena("select n from t where id = 0").value == "4"


def test_dropping_deletes_the_data(athena, iceberg):
    iceberg("t", "select 1 as a")
    athena("drop table t")
    assert athena.keys("t/") == []


def test_pyiceberg_reads_what_the_engine_wrote_and_the_other_way_round(athena, iceberg):
    import pyarrow as pa
    from pyiceberg.catalog.glue import GlueCatalog

    iceberg(
        "t",
        "select 1 as a, map(array['k'], array[array[1, 2]]) as m, cast(row(1, 'x') as "
        "row(n integer, s varchar)) as r, timestamp '2024-01-01 00:00:00' as at",
        "day(at)",
    )
    where = athena.environ
    catalog = GlueCatalog(
        "glue",
        **{
            "glue.endpoint": where["AWS_ENDPOINT_URL"],
            "glue.region": where["AWS_REGION"],
            "glue.access-key-id": where["AWS_ACCESS_KEY_ID"],
            "glue.secret-access-key": where["AWS_SECRET_ACCESS_KEY"],
            "s3.endpoint": where["AWS_ENDPOINT_URL"],
            "s3.region": where["AWS_REGION"],
            "s3.access-key-id": where["AWS_ACCESS_KEY_ID"],
            "s3.secret-access-key": where["AWS_SECRET_ACCESS_KEY"],
        },
    )
    table = catalog.load_table(f"{athena.database}.t")
    (row,) = table.scan().to_arrow().to_pylist()
    assert (row["a"], row["m"], row["r"]) == (1, [("k", [1, 2])], {"n": 1, "s": "x"})
    more = pa.Table.from_pylist([row | {"a": 2}], schema=table.schema().as_arrow())
    table.append(more)
    assert athena("select a, m['k'][2], r.s from t order by a").rows == [
        ["1", "2", "x"],
        ["2", "2", "x"],
    ]
    athena("merge into t using (select 2 as a) s on t.a = s.a when matched then delete")
    assert [r["a"] for r in table.refresh().scan().to_arrow().to_pylist()] == [1]
