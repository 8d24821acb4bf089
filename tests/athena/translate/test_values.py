# ruff: noqa: E501 - a query and its answer are one line
"""What expressions give, where DuckDB left to itself would give something else or fail.

Source of the expectations: Trino's documentation of each function and type. ``|`` separates the
printed columns, ``∅`` is NULL.
"""

from __future__ import annotations

import pytest
from sql_fixtures import Ask, Refused

from minilab_local.athena.translate import TranslationError

# Where DuckDB answers too, with another value.
SILENT = [
    ("7/2, -7/2, 7/-2, -7 % 2, cast(1 as bigint)/2", "3|-3|-3|-1|0"),
    ("7.5/2, 7/2.0, 1.0/3, 2/3e0, 5.0 % 3", "3.8|3.5|0.3|0.6666666666666666|2.0"),
    ("typeof(1.0/3), typeof(1.5*1.25), typeof(1.5+10)", "decimal(2,1)|decimal(5,3)|decimal(12,1)"),
    ("cast(10 as decimal(10,2))/3, cast(2 as decimal(38,0))/3", "3.33|1"),
    ("date_diff('day', timestamp '2020-01-01 12:00:00', timestamp '2020-01-03 11:00:00')", "1"),
    ("date_diff('month', date '2020-01-31', date '2020-02-29')", "1"),
    ("date_diff('year', date '2020-06-01', date '2021-05-31')", "0"),
    ("date_trunc('month', date '2020-02-03')", "2020-02-01"),
    ("date_add('month', 1, date '2020-01-31')", "2020-02-29"),
    (
        "date '2020-01-31' + interval '1' month, date '2020-01-08' - interval '7' day",
        "2020-02-29|2020-01-01",
    ),
    (
        "day_of_week(date '2020-01-05'), dow(date '2020-01-05'), extract(dow from date '2020-01-05')",
        "7|7|7",
    ),
    ("millisecond(timestamp '2020-01-01 00:00:05.123')", "123"),
    ("regexp_extract('abc', 'x'), regexp_extract('abc', '(b)(c)', 2)", "∅|c"),
    ("regexp_extract('abc', '(x)?b', 1), regexp_extract('abc', '(x*)b', 1)", "∅|"),
    ("regexp_replace('abc', '(b)', '[$1]'), regexp_replace('abc', 'b', '\\$')", "a[b]c|a$c"),
    (
        "json_extract_scalar('{\"a\":{\"b\":1}}', '$.a'), json_extract_scalar('[[1]]', '$[0]')",
        "∅|∅",
    ),
    (
        "json_extract_scalar('{\"a\":1.10}', '$.a'), json_extract_scalar('{\"a\":1e3}', '$.a')",
        "1.10|1e3",
    ),
    ("json_extract_scalar('not json', '$.a'), json_extract_scalar('{\"a\":null}', '$.a')", "∅|∅"),
    (
        "slice(array[1,2,3,4], 2, 2), slice(array[1,2,3,4], -2, 2), slice(array[1], 3, 1)",
        "[2, 3]|[3, 4]|[]",
    ),
    ("repeat('a', 3)", "[a, a, a]"),
    ("array_position(array[1,2], 3), array_position(array[1,2], 2)", "0|2"),
    ("format('%s is %d, %.2f', 'a', 3, 2.5)", "a is 3, 2.50"),
    ("sha1(to_utf8('a'))", "86 f7 e4 37 fa a5 a7 fc e1 5d 1d dc b9 ea ea ea 37 76 67 b8"),
    ("cast('abcdef' as varchar(3))", "abc"),
    ("array_sort(array[3,1,2], (x, y) -> if(x < y, 1, if(x = y, 0, -1)))", "[3, 2, 1]"),
    ("split('a,b,c', ',', 2), split_part('a,b', ',', 5)", "[a, b,c]|∅"),
    ("concat('a', null), greatest(1, null, 3), least(1, 2)", "∅|∅|1"),
    ("array_max(array[1, null]), array_min(array[2, 1])", "∅|1"),
    ("array_distinct(array[3,1,3,null,null])", "[3, 1, null]"),
    ("array[1] || null, contains(array[1, null], 2)", "∅|∅"),
    (
        "cast(2.5e0 as integer), cast(-2.5e0 as bigint), round(-2.5e0), cast(1.5 as integer)",
        "3|-3|-3.0|2",
    ),
    (
        "cast(1e10 as varchar), cast(0.0001e0 as varchar), cast(1e6 as varchar)",
        "1.0E10|1.0E-4|1000000.0",
    ),
    ("cast(cast(0.1 as real) as varchar), 1e0, 123456789e0", "0.1|1.0|1.23456789E8"),
    ("cast(timestamp '2020-01-01 00:00:00.500' as varchar)", "2020-01-01 00:00:00.500"),
    ("cast(timestamp '2020-01-01 00:00:00.1235' as timestamp(3))", "2020-01-01 00:00:00.124"),
    ("'a' not like 'b%', 'a_b' like 'a!_b' escape '!', not ('a' like 'a')", "true|true|false"),
    (
        "typeof(now()), typeof(localtimestamp), typeof('x' || 'yz')",
        "timestamp(3) with time zone|timestamp(3)|varchar(3)",
    ),
    ("bitwise_right_shift(-1, 1), bitwise_left_shift(2147483647, 1)", "2147483647|-2"),
    (
        "substr('hello', 0), substr('hello', -3), substr('hello', -9), substr('hello', 2, 3)",
        "|llo||ell",
    ),
    ('json_format(json_parse(\'{"b": 2, "a": 1}\'))', '{"a":1,"b":2}'),
    ("sequence(3, 1), sequence(1, 9, 4)", "[3, 2, 1]|[1, 5, 9]"),
    ("width_bucket(5.3, 0.2, 10.6, 5)", "3"),
    ("ln(0), sqrt(-1), 1e0/0", "-Infinity|NaN|Infinity"),
    (
        "from_unixtime(1577836800), to_unixtime(timestamp '2020-01-01 00:00:00')",
        "2020-01-01 00:00:00.000 UTC|1.5778368E9",
    ),
]

# What DuckDB does not have.
MISSING = [
    ("map_filter(map(array['a','b'], array[1,2]), (k, v) -> v > 1)", "{b=2}"),
    ("transform_keys(map(array['a'], array[1]), (k, v) -> k || 'x')", "{ax=1}"),
    ("transform_values(map(array['a'], array[1]), (k, v) -> v + 1)", "{a=2}"),
    (
        "map_zip_with(map(array['a'], array[1]), map(array['b'], array[2]), (k, x, y) -> coalesce(x, y))",
        "{a=1, b=2}",
    ),
    (
        "zip(array[1,2], array['a']), zip_with(array[1,2], array[3,4], (a, b) -> a * b)",
        "[{field0=1, field1=a}, {field0=2, field1=null}]|[3, 8]",
    ),
    (
        "any_match(array[1,2], x -> x > 1), all_match(array[1,2], x -> x > 1), none_match(array[1], x -> x > 5)",
        "true|false|true",
    ),
    (
        "any_match(array[1,null], x -> x > 1), arrays_overlap(array[1,2], array[2]), arrays_overlap(array[1], array[2])",
        "∅|true|false",
    ),
    (
        "format_datetime(timestamp '2020-01-02 03:04:05', 'yyyy-MM-dd''T''HH:mm:ss')",
        "2020-01-02T03:04:05",
    ),
    (
        "date_format(timestamp '2020-01-02 03:04:05.678', '%W %M %e %Y %h:%i:%s %p')",
        "Thursday January 2 2020 03:04:05 AM",
    ),
    (
        "date_parse('2020-01-02 03', '%Y-%m-%d %H'), parse_datetime('2020/1/2', 'yyyy/M/d')",
        "2020-01-02 03:00:00.000|2020-01-02 00:00:00.000 UTC",
    ),
    (
        "with_timezone(timestamp '2020-01-01 00:00:00', 'Europe/Berlin')",
        "2020-01-01 00:00:00.000 Europe/Berlin",
    ),
    (
        "url_extract_host('https://a.b:80/x'), url_extract_parameter('http://a?x=1&y=2', 'y'), url_encode('a b&c')",
        "a.b|2|a+b%26c",
    ),
    ("crc32(to_utf8('a')), to_hex(xxhash64(to_utf8('')))", "3904355907|EF46DB3751D8E999"),
    (
        "to_hex(md5(to_utf8('a'))), to_hex(sha256(to_utf8('')))",
        "0CC175B9C0F1B6A831C399E269772661|E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    ),
    (
        'cast(json_parse(\'[{"a":1,"b":"x"},{"a":2}]\') as array(row(a integer, b varchar)))',
        "[{a=1, b=x}, {a=2, b=null}]",
    ),
    (
        "cast(json_parse('{\"a\":[1]}') as map(varchar, array(bigint))), cast(json_extract('{}', '$.a') as array(varchar))",
        "{a=[1]}|∅",
    ),
    (
        "try(1/0), coalesce(try(cast('a' as integer)), 5), try(array[1][2]), try_cast('1.5' as integer)",
        "∅|5|∅|∅",
    ),
    (
        "element_at(array[1,2], -1), element_at(array[1,2], 3), element_at(map(array['a'], array[1]), 'b')",
        "2|∅|∅",
    ),
    ("split_to_map('a=1,b=2', ',', '=')", "{a=1, b=2}"),
    (
        "reduce(array[5, 20, 50], 0, (s, x) -> s + x, s -> s), reduce(array['a','b'], '', (s, x) -> s || x, s -> s)",
        "75|ab",
    ),
    ("transform(array[1,2], x -> transform(array[10], y -> x * y))", "[[10], [20]]"),
    ("interval '1' day * 2, interval '3' year + interval '5' month", "2 00:00:00.000|3-5"),
    (
        "from_iso8601_timestamp('2020-05-11T11:15:05Z'), from_iso8601_date('2020-W10')",
        "2020-05-11 11:15:05.000 UTC|2020-03-02",
    ),
]

# One zone or many: each value keeps its own.
ZONED = [
    (
        "timestamp '2020-07-01 00:00:00 UTC' at time zone 'America/New_York'",
        "2020-06-30 20:00:00.000 America/New_York",
    ),
    (
        "cast(timestamp '2020-07-01 00:00:00 UTC' at time zone 'America/New_York' as timestamp)",
        "2020-06-30 20:00:00.000",
    ),
    ("hour(timestamp '2020-07-01 00:00:00 UTC' at time zone 'Asia/Kolkata')", "5"),
    (
        "date_trunc('day', timestamp '2020-07-01 03:00:00 America/New_York')",
        "2020-07-01 00:00:00.000 America/New_York",
    ),
    ("timestamp '2020-01-01 00:00:00 +02:00' = timestamp '2019-12-31 22:00:00 UTC'", "true"),
    ("timestamp '2020-01-01 00:00:00 UTC' > timestamp '2019-12-31 23:00:00'", "true"),
    ("to_iso8601(timestamp '2020-01-01 00:00:00.000 +05:30')", "2020-01-01T00:00:00.000+05:30"),
    (
        "cast(timestamp '2020-01-01 00:00:00.000 Europe/Berlin' as varchar)",
        "2020-01-01 00:00:00.000 Europe/Berlin",
    ),
    ("timezone_hour(timestamp '2020-01-01 00:00:00 +05:30')", "5"),
]


@pytest.mark.parametrize(("sql", "expected"), [*SILENT, *MISSING, *ZONED])
def test_value(ask: Ask, sql: str, expected: str) -> None:
    ((row),) = ask(f"SELECT {sql}").rows
    assert "|".join("∅" if cell is None else cell for cell in row) == expected


def test_zones_that_vary_by_row(ask: Ask) -> None:
    source = "FROM (VALUES '2020-01-01T01:00:00+02:00', '2020-01-01T01:00:00Z') t(x)"
    answer = ask(
        "SELECT from_iso8601_timestamp(x), hour(from_iso8601_timestamp(x)), "
        "from_iso8601_timestamp(x) AT TIME ZONE 'UTC', cast(from_iso8601_timestamp(x) as date) "
        f"{source} ORDER BY from_iso8601_timestamp(x)"
    )
    assert answer.rows == [
        ["2020-01-01 01:00:00.000 +02:00", "1", "2019-12-31 23:00:00.000 UTC", "2020-01-01"],
        ["2020-01-01 01:00:00.000 UTC", "1", "2020-01-01 01:00:00.000 UTC", "2020-01-01"],
    ]
    with pytest.raises(TranslationError, match="AT TIME ZONE"):
        ask(
            f"SELECT from_iso8601_timestamp(x) z, count(*) {source} GROUP BY from_iso8601_timestamp(x)"
        )


ERRORS = [
    ("1/0", "DIVISION_BY_ZERO"),
    ("1.0/0", "DIVISION_BY_ZERO"),
    ("5 % 0", "DIVISION_BY_ZERO"),
    ("cast('1.5' as integer)", "INVALID_CAST_ARGUMENT"),
    ("cast(' 1' as bigint)", "INVALID_CAST_ARGUMENT"),
    ("cast('yes' as boolean)", "INVALID_CAST_ARGUMENT"),
    ("cast('2020/01/01' as date)", "INVALID_CAST_ARGUMENT"),
    ("cast('2020-01-01 10:00' as date)", "INVALID_CAST_ARGUMENT"),
    ("cast('2020-01-01T00:00:00' as timestamp)", "INVALID_CAST_ARGUMENT"),
    ("cast(12345 as varchar(3))", "INVALID_CAST_ARGUMENT"),
    ("2147483647 + 1", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ("9223372036854775807 + 1", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ("cast(300 as tinyint)", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ("array[1, 2][3]", "INVALID_FUNCTION_ARGUMENT"),
    ("array[1, 2][0]", "INVALID_FUNCTION_ARGUMENT"),
    ("map(array['a'], array[1])['b']", "INVALID_FUNCTION_ARGUMENT"),
    ("map(array['a', 'a'], array[1, 2])", "INVALID_FUNCTION_ARGUMENT"),
    ("json_parse('{')", "INVALID_FUNCTION_ARGUMENT"),
    ("date_parse('x', '%Y')", "INVALID_FUNCTION_ARGUMENT"),
    ("sequence(1, 5, -1)", "INVALID_FUNCTION_ARGUMENT"),
    ("split_part('a', ',', 0)", "INVALID_FUNCTION_ARGUMENT"),
    ("1 = '1'", "TYPE_MISMATCH"),
    ("date '2020-01-01' > '2019-01-01'", "TYPE_MISMATCH"),
    ("if(1, 2)", "TYPE_MISMATCH"),
    ("coalesce(1, 'a')", "TYPE_MISMATCH"),
    ("cast(array[1] as varchar)", "TYPE_MISMATCH"),
    ("not 1", "TYPE_MISMATCH"),
    ("1 at time zone 'UTC'", "TYPE_MISMATCH"),
    ("now() at time zone 'Nowhere/Land'", "INVALID_FUNCTION_ARGUMENT"),
    ("nothing", "COLUMN_NOT_FOUND"),
    ("json_extract('{}', '$.*')", "NOT_SUPPORTED"),
    ("date_format(now(), '%U')", "NOT_SUPPORTED"),
]


@pytest.mark.parametrize(("sql", "code"), ERRORS)
def test_error(ask: Ask, sql: str, code: str) -> None:
    with pytest.raises((TranslationError, Refused)) as caught:
        ask(f"SELECT {sql}")
    assert caught.value.code == code


def test_distinct_and_order_in_one_aggregate(ask: Ask) -> None:
    source = "FROM (VALUES 'b', 'a', 'b') t(x)"
    assert ask(f"SELECT array_agg(DISTINCT x ORDER BY x DESC) {source}").value == "[b, a]"
    assert ask(f"SELECT listagg(DISTINCT x, ';') WITHIN GROUP (ORDER BY x) {source}").value == "a;b"


def test_more_digits_than_a_type_has(ask: Ask) -> None:
    assert ask("SELECT cast('2020-01-01 00:00:00.1235999' as timestamp)").value == (
        "2020-01-01 00:00:00.124"
    )
    assert (
        ask(
            "SELECT date_parse('2020 .123999', '%Y .%f') > timestamp '2020-01-01 00:00:00.123'"
        ).value
        == "false"
    )
    with pytest.raises(TranslationError, match="six digits"):
        ask("SELECT timestamp '2020-01-01 00:00:00.123456789'")


def test_substring_in_the_standards_form(ask: Ask) -> None:
    for read in ("minilabathena", "athena"):
        assert (
            ask("SELECT substring('abc' FROM 2 FOR 1) || substring('abc', 3)", read=read).value
            == "bc"
        )


def test_documents_that_aggregates_give(ask: Ask) -> None:
    """DuckDB's TRY, by which malformed documents are passed over, takes no aggregates."""
    source = "FROM (VALUES '{\"a\":1.50}', 'bad') t(x)"
    assert ask(
        f"SELECT json_extract_scalar(max(x), '$.a'), json_extract(min(x), '$.a') {source}"
    ).rows == [["1.50", None]]
    assert ask(
        "SELECT try(cast((SELECT 'a') AS integer)), json_extract_scalar((SELECT '{\"a\":2}'), '$.a')"
    ).rows == [[None, "2"]]


def test_lambdas_inside_aggregates_that_collect(ask: Ask) -> None:
    source = "FROM (VALUES ('a', 1), ('b', 2), ('a', 3)) t(k, v)"
    assert (
        ask(f"SELECT map_agg(k, transform(ARRAY[v], x -> x + 1)) {source}").value
        == "{a=[2], b=[3]}"
    )
    assert (
        ask(f"SELECT multimap_agg(array_join(ARRAY[k], ''), v) {source}").value
        == "{a=[1, 3], b=[2]}"
    )
    assert ask(f"SELECT map_union(map(ARRAY[k], ARRAY[v])) {source}").value == "{a=1, b=2}"
    assert ask(
        f"SELECT map_agg(k, v), map_union(map(ARRAY[k], ARRAY[v])) {source} WHERE v > 5"
    ).rows == [[None, None]]
