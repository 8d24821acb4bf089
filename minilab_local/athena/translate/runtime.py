# ruff: noqa: E501 - each macro is one line, so that the table reads as a table
"""What a DuckDB database needs before translated queries run in it: settings, macros, UDFs.

Macros are plain SQL, so DuckDB's optimizer sees through them. Python is for what SQL cannot say
(``native``). All names start with ``trino_``.

A macro refuses a value by a cast that cannot succeed: its text carries Trino's error code and
message (``trino_raise``), and ``failure_of`` reads them back. DuckDB's own ``error()`` would not do:
it counts as volatile, and TRY takes no volatile function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from minilab_local.athena.translate.native import FUNCTIONS, NULLABLE

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET default_null_order = 'NULLS LAST'",
    "SET integer_division = false",  # the translation writes // where Trino divides integers
)

_ERRORS = """
raise(code, message) = CAST('§' || code || '§' || message || '§' AS BIGINT)
raise_text(code, message) = CAST(trino_raise(code, message) AS VARCHAR)
integer_text(x, kind) = CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]+') THEN x ELSE '§INVALID_CAST_ARGUMENT§Cannot cast ''' || x || ''' to ' || CASE kind WHEN 'integer' THEN 'INT' ELSE upper(kind) END || '§' END
number_text(x, kind) = CASE WHEN x IS NULL OR regexp_full_match(x, '\\s*[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?\\s*|[+-]?Infinity|NaN') THEN trim(x) ELSE '§INVALID_CAST_ARGUMENT§Cannot cast ''' || x || ''' to ' || upper(kind) || '§' END
boolean(x) = CASE WHEN lower(x) IN ('true', 't', '1') THEN TRUE WHEN lower(x) IN ('false', 'f', '0') THEN FALSE WHEN x IS NOT NULL THEN CAST('§INVALID_CAST_ARGUMENT§Cannot cast ''' || x || ''' to BOOLEAN§' AS BOOLEAN) END
date_text(x) = CASE WHEN x IS NULL OR regexp_full_match(x, '\\s*[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}\\s*') THEN x ELSE '§INVALID_CAST_ARGUMENT§Value cannot be cast to date: ' || x || '§' END
time_text(x) = CASE WHEN x IS NULL OR regexp_full_match(x, '\\s*[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]+)?)?\\s*') THEN CASE WHEN length(x) - length(replace(x, ':', '')) = 1 THEN trim(x) || ':00' ELSE x END ELSE '§INVALID_CAST_ARGUMENT§Value cannot be cast to time: ' || x || '§' END
timestamp_text(x) = CASE WHEN x IS NULL OR regexp_full_match(x, '\\s*[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]+)?)?)?\\s*') THEN CASE WHEN length(x) - length(replace(x, ':', '')) = 1 THEN trim(x) || ':00' ELSE x END ELSE '§INVALID_CAST_ARGUMENT§Value cannot be cast to timestamp: ' || x || '§' END
fit(x, size, kind) = CASE WHEN x IS NULL OR length(x) <= size THEN x ELSE trino_raise_text('INVALID_CAST_ARGUMENT', 'Value ' || x || ' cannot be represented as ' || kind) END
"""

_NUMBERS = """
double_text(x) = CASE WHEN x = 0 OR (abs(x) >= 0.001 AND abs(x) < 1e7) THEN CAST(x AS VARCHAR) ELSE trino_java_double(x) END
real_text(x) = trino_java_real(x)
acos(x) = CASE WHEN abs(x) > 1 THEN CAST('nan' AS DOUBLE) ELSE acos(x) END
asin(x) = CASE WHEN abs(x) > 1 THEN CAST('nan' AS DOUBLE) ELSE asin(x) END
sqrt(x) = CASE WHEN x < 0 THEN CAST('nan' AS DOUBLE) ELSE sqrt(x) END
ln(x) = CASE WHEN x = 0 THEN CAST('-infinity' AS DOUBLE) WHEN x < 0 THEN CAST('nan' AS DOUBLE) ELSE ln(x) END
log10(x) = CASE WHEN x = 0 THEN CAST('-infinity' AS DOUBLE) WHEN x < 0 THEN CAST('nan' AS DOUBLE) ELSE log10(x) END
log2(x) = CASE WHEN x = 0 THEN CAST('-infinity' AS DOUBLE) WHEN x < 0 THEN CAST('nan' AS DOUBLE) ELSE log2(x) END
round(x, digits) = CASE WHEN isfinite(x) THEN round(x, digits) ELSE x END
half_up(n, d) = sign(n) * sign(d) * ((2 * abs(n) + abs(d)) // (2 * abs(d)))
width_bucket(x, low, high, n) = CASE WHEN low < high THEN CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1 ELSE CAST(floor((x - low) / (high - low) * n) AS BIGINT) + 1 END WHEN low > high THEN CASE WHEN x > low THEN 0 WHEN x <= high THEN n + 1 ELSE CAST(floor((low - x) / (low - high) * n) AS BIGINT) + 1 END WHEN low = high THEN trino_raise('INVALID_FUNCTION_ARGUMENT', 'bounds cannot equal each other') END
width_bucket_array(x, bins) = len(list_filter(bins, lambda b: b <= x))
wilson(successes, trials, z, way) = CASE WHEN trials > 0 THEN ((successes / trials) + z * z / (2.0 * trials) + way * z * sqrt(((successes / trials) * (1 - successes / trials) + z * z / (4.0 * trials)) / trials)) / (1 + z * z / trials) END
bit_count(x, bits) = CASE WHEN bits = 64 THEN CAST(bit_count(x) AS BIGINT) WHEN x >= -trino_power_of_two(bits - 1) AND x < trino_power_of_two(bits - 1) THEN CAST(bit_count(CAST(trino_unsigned(CAST(x AS HUGEINT), bits) AS HUGEINT)) AS BIGINT) ELSE trino_raise('INVALID_FUNCTION_ARGUMENT', 'Number must be representable with the bits specified. ' || x || ' cannot be represented with ' || bits || ' bits') END
power_of_two(n) = CAST(pow(2, n) AS HUGEINT)
unsigned(x, bits) = CASE WHEN x < 0 THEN x + trino_power_of_two(bits) ELSE x END
signed(x, bits) = CASE WHEN x >= trino_power_of_two(bits - 1) THEN x - trino_power_of_two(bits) ELSE x END
left_shift(x, n, bits) = CASE WHEN n >= bits THEN 0 ELSE trino_signed((trino_unsigned(x, bits) % trino_power_of_two(bits - n)) * trino_power_of_two(n), bits) END
right_shift(x, n, bits) = CASE WHEN n >= bits THEN 0 ELSE trino_signed(trino_unsigned(x, bits) // trino_power_of_two(n), bits) END
right_shift_arithmetic(x, n, bits) = CASE WHEN n >= bits THEN CASE WHEN x < 0 THEN -1 ELSE 0 END WHEN x < 0 THEN -((-x - 1) // trino_power_of_two(n)) - 1 ELSE x // trino_power_of_two(n) END
"""

_TEXTS = """
spaces() = ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(28) || chr(29) || chr(30) || chr(31) || chr(8232) || chr(8233)
hamming(a, b) = CASE WHEN length(a) = length(b) THEN hamming(a, b) WHEN a IS NOT NULL AND b IS NOT NULL THEN trino_raise('INVALID_FUNCTION_ARGUMENT', 'The input strings to hamming_distance function must have the same length') END
replace(x, search, replacement) = CASE WHEN search = '' THEN replacement || array_to_string(list_transform(string_split(x, ''), lambda c: c || replacement), '') ELSE replace(x, search, replacement) END
split(x, delimiter) = CASE WHEN delimiter = '' THEN [trino_raise_text('INVALID_FUNCTION_ARGUMENT', 'The delimiter may not be the empty string')] ELSE string_split(x, delimiter) END
split_limit(x, delimiter, n) = CASE WHEN x IS NULL OR delimiter IS NULL OR n IS NULL THEN NULL WHEN n <= 0 THEN [trino_raise_text('INVALID_FUNCTION_ARGUMENT', 'Limit must be positive')] WHEN len(trino_split(x, delimiter)) <= n THEN trino_split(x, delimiter) ELSE list_append(trino_split(x, delimiter)[1:n - 1], array_to_string(trino_split(x, delimiter)[n:], delimiter)) END
split_part(x, delimiter, n) = CASE WHEN n <= 0 THEN trino_raise_text('INVALID_FUNCTION_ARGUMENT', 'Index must be greater than zero') ELSE string_split(x, delimiter)[n] END
strpos(x, part, n) = CASE WHEN n = 0 THEN trino_raise('INVALID_FUNCTION_ARGUMENT', '''instance'' must be a positive or negative number.') WHEN part = '' THEN 1 WHEN n > 0 AND len(string_split(x, part)) > n THEN length(array_to_string(string_split(x, part)[1:n], part)) + 1 WHEN n < 0 AND len(string_split(x, part)) + n >= 1 THEN length(array_to_string(string_split(x, part)[1:len(string_split(x, part)) + n], part)) + 1 WHEN x IS NOT NULL AND part IS NOT NULL AND n IS NOT NULL THEN 0 END
substr(x, start) = CASE WHEN start = 0 OR abs(start) > length(x) THEN '' ELSE substring(x, start) END
substr_length(x, start, size) = CASE WHEN start = 0 OR size <= 0 OR abs(start) > length(x) THEN '' ELSE substring(x, start, size) END
substr_bytes(x, start, size) = CASE WHEN start = 0 OR size <= 0 OR abs(start) > octet_length(x) THEN from_hex('') ELSE from_hex(substring(hex(x), CASE WHEN start > 0 THEN start * 2 - 1 ELSE 2 * (octet_length(x) + start) + 1 END, size * 2)) END
replacement(x) = regexp_replace(regexp_replace(x, '\\\\', '\\\\\\\\', 'g'), '\\$(\\d)', '\\\\\\1', 'g')
array_join(texts, separator) = CASE WHEN texts IS NOT NULL AND separator IS NOT NULL THEN coalesce(array_to_string(list_filter(texts, lambda t: t IS NOT NULL), separator), '') END
concat_ws(separator, texts) = CASE WHEN separator IS NOT NULL THEN trino_array_join(coalesce(texts, []), separator) END
"""

_TIMES = """
floor_to(n, unit) = n - ((n % unit) + unit) % unit
round_timestamp(x, unit) = make_timestamp(trino_floor_to(epoch_us(x) + unit // 2, unit))
round_timestamptz(x, unit) = make_timestamptz(trino_floor_to(epoch_us(x) + unit // 2, unit))
round_time(x, unit) = CAST(make_timestamp(trino_floor_to(epoch_us(DATE '1970-01-01' + x) + unit // 2, unit)) AS TIME)
offset_minutes(zone) = CASE WHEN zone[1] = '-' THEN -1 ELSE 1 END * (CAST(zone[2:3] AS BIGINT) * 60 + CAST(zone[5:6] AS BIGINT))
local(x, zone) = CASE WHEN zone[1] IN ('+', '-') THEN timezone('UTC', x) + to_minutes(trino_offset_minutes(CASE WHEN zone[1] IN ('+', '-') THEN zone ELSE '+00:00' END)) ELSE timezone(CASE WHEN zone[1] IN ('+', '-') THEN 'UTC' ELSE zone END, x) END
from_local(x, zone) = CASE WHEN zone[1] IN ('+', '-') THEN timezone('UTC', x - to_minutes(trino_offset_minutes(CASE WHEN zone[1] IN ('+', '-') THEN zone ELSE '+00:00' END))) ELSE timezone(CASE WHEN zone[1] IN ('+', '-') THEN 'UTC' ELSE zone END, x) END
minutes_offset(n) = CASE WHEN n < 0 THEN '-' ELSE '+' END || printf('%02d:%02d', abs(n) // 60, abs(n) % 60)
offset(x, zone) = CASE WHEN zone = 'UTC' THEN 'Z' ELSE trino_minutes_offset(date_diff('minute', timezone('UTC', x), trino_local(x, zone))) END
months(x) = (datepart('year', x) * 12 + datepart('month', x))
micros(x) = epoch_us(x - to_months(CAST(trino_months(x) AS INTEGER)))
millis(x) = trino_micros(x) // 1000
interval_times(x, n) = to_months(CAST(trunc(trino_months(x) * n) AS INTEGER)) + to_microseconds(CAST(round(trino_micros(x) * n) AS BIGINT))
day_second(x) = CASE WHEN trino_millis(x) < 0 THEN '-' ELSE '' END || printf('%d %02d:%02d:%02d.%03d', abs(trino_millis(x)) // 86400000, abs(trino_millis(x)) // 3600000 % 24, abs(trino_millis(x)) // 60000 % 60, abs(trino_millis(x)) // 1000 % 60, abs(trino_millis(x)) % 1000)
year_month(x) = CASE WHEN trino_months(x) < 0 THEN '-' ELSE '' END || printf('%d-%d', abs(trino_months(x)) // 12, abs(trino_months(x)) % 12)
"""

_COLLECTIONS = """
has_null(a) = len(list_filter(a, lambda x: x IS NULL)) > 0
holds(a, x) = CASE WHEN x IS NULL THEN trino_has_null(a) ELSE list_contains(a, x) END
array_concat(a, b) = CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN list_concat(a, b) END
all_match(a) = CASE WHEN list_contains(a, FALSE) THEN FALSE WHEN trino_has_null(a) THEN NULL WHEN a IS NOT NULL THEN TRUE END
any_match(a) = CASE WHEN list_contains(a, TRUE) THEN TRUE WHEN trino_has_null(a) THEN NULL WHEN a IS NOT NULL THEN FALSE END
none_match(a) = NOT trino_any_match(a)
array_distinct(a) = list_filter(a, lambda x, i: i = CASE WHEN x IS NULL THEN list_position(list_transform(a, lambda y: y IS NULL), TRUE) ELSE list_position(a, x) END)
array_except(a, b) = CASE WHEN b IS NOT NULL THEN trino_array_distinct(list_filter(a, lambda e: NOT trino_holds(b, e))) END
array_intersect(a, b) = CASE WHEN b IS NOT NULL THEN trino_array_distinct(list_filter(a, lambda e: trino_holds(b, e))) END
array_max(a) = CASE WHEN NOT trino_has_null(a) THEN list_max(a) END
array_min(a) = CASE WHEN NOT trino_has_null(a) THEN list_min(a) END
array_position(a, x) = CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(CAST(list_position(a, x) AS BIGINT), 0) END
array_remove(a, x) = CASE WHEN x IS NOT NULL THEN list_filter(a, lambda e: e IS DISTINCT FROM x) END
array_histogram(a) = CASE WHEN a IS NOT NULL THEN trino_map(trino_array_distinct(list_filter(a, lambda e: e IS NOT NULL)), list_transform(trino_array_distinct(list_filter(a, lambda e: e IS NOT NULL)), lambda d: CAST(len(list_filter(a, lambda e: e = d)) AS BIGINT))) END
arrays_overlap(a, b) = CASE WHEN len(list_filter(a, lambda e: e IS NOT NULL AND list_contains(b, e))) > 0 THEN TRUE WHEN a IS NULL OR b IS NULL OR trino_has_null(a) AND len(b) > 0 OR trino_has_null(b) AND len(a) > 0 THEN NULL ELSE FALSE END
combinations(a, n) = CASE WHEN n < 0 OR n > 5 THEN [a[trino_raise('INVALID_FUNCTION_ARGUMENT', 'combination size must not exceed 5'):]] WHEN len(a) > 20 THEN [a[trino_raise('NOT_SUPPORTED', 'combinations of more than 20 elements are not supported by the local Athena engine'):]] ELSE list_transform(list_filter(range(0, CAST(pow(2, len(a)) AS BIGINT)), lambda m: bit_count(m) = n), lambda m: list_filter(a, lambda e, i: (m >> CAST(i - 1 AS INTEGER)) & 1 = 1)) END
contains(a, x) = CASE WHEN list_contains(a, x) THEN TRUE WHEN x IS NULL OR a IS NULL OR trino_has_null(a) THEN NULL ELSE FALSE END
contains_sequence(a, b) = CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN len(b) = 0 OR len(list_filter(range(1, len(a) - len(b) + 2), lambda i: a[i:i + len(b) - 1] = b)) > 0 END
subscript(a, i) = a[CASE WHEN a IS NULL OR i IS NULL THEN NULL WHEN i BETWEEN 1 AND len(a) THEN i WHEN i = 0 THEN trino_raise('INVALID_FUNCTION_ARGUMENT', 'SQL array indices start at 1') WHEN i < 0 THEN trino_raise('INVALID_FUNCTION_ARGUMENT', 'Array subscript is negative: ' || i) ELSE trino_raise('INVALID_FUNCTION_ARGUMENT', 'Array subscript must be less than or equal to array length: ' || i || ' > ' || len(a)) END]
element_at(a, i) = a[CASE WHEN i = 0 THEN trino_raise('INVALID_FUNCTION_ARGUMENT', 'SQL array indices start at 1') ELSE i END]
map_subscript(m, k) = map_values(m)[CASE WHEN m IS NULL OR k IS NULL THEN NULL WHEN list_contains(map_keys(m), k) THEN list_position(map_keys(m), k) ELSE trino_raise('INVALID_FUNCTION_ARGUMENT', 'Key not present in map: ' || CAST(k AS VARCHAR)) END]
flatten(a) = flatten(list_filter(a, lambda x: x IS NOT NULL))
ngrams(a, n) = CASE WHEN n <= 0 THEN [a[trino_raise('INVALID_FUNCTION_ARGUMENT', 'N must be positive'):]] WHEN n >= len(a) THEN [a] ELSE list_transform(range(1, len(a) - n + 2), lambda i: a[i:i + n - 1]) END
repeat(x, n) = CASE WHEN n IS NOT NULL THEN list_transform(range(0, n), lambda i: x) END
shuffle(a) = list_transform(list_sort(list_transform(a, lambda x: {'r': random(), 'v': x})), lambda e: e.v)
slice(a, start, size) = CASE WHEN start = 0 THEN a[trino_raise('INVALID_FUNCTION_ARGUMENT', 'SQL array indices start at 1'):] WHEN size < 0 THEN a[trino_raise('INVALID_FUNCTION_ARGUMENT', 'length must be greater than or equal to 0'):] WHEN size = 0 OR abs(start) > len(a) THEN a[1:0] WHEN start > 0 THEN a[start:start + size - 1] ELSE a[len(a) + start + 1:len(a) + start + size] END
trim_array(a, n) = CASE WHEN n < 0 THEN a[trino_raise('INVALID_FUNCTION_ARGUMENT', 'size must not be negative: ' || n):] WHEN n > len(a) THEN a[trino_raise('INVALID_FUNCTION_ARGUMENT', 'size must not exceed array cardinality ' || len(a) || ': ' || n):] ELSE a[1:len(a) - n] END
sequence(a, b, step) = CASE WHEN step = 0 OR (step > 0 AND a > b) OR (step < 0 AND a < b) THEN [trino_raise('INVALID_FUNCTION_ARGUMENT', 'sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start')] WHEN (b - a) // step > 9999 THEN [trino_raise('INVALID_FUNCTION_ARGUMENT', 'result of sequence function must not have more than 10000 entries')] ELSE generate_series(a, b, step) END
map(k, v) = CASE WHEN k IS NULL OR v IS NULL THEN NULL WHEN len(k) <> len(v) THEN map(k[trino_raise('INVALID_FUNCTION_ARGUMENT', 'Key and value arrays must be the same length'):], v) WHEN trino_has_null(k) THEN map(k[trino_raise('INVALID_FUNCTION_ARGUMENT', 'map key cannot be null'):], v) WHEN list_unique(k) <> len(k) THEN map(k[trino_raise('INVALID_FUNCTION_ARGUMENT', 'Duplicate map keys are not allowed'):], v) ELSE map(k, v) END
map_entries(m) = list_transform(map_entries(m), lambda e: struct_pack(field0 := e.key, field1 := e.value))
sorted_map(m) = map_from_entries(list_sort(map_entries(m)))
keys(pairs) = list_transform(pairs, lambda p: p.k)
unique_map(pairs) = trino_map(trino_keys(pairs), list_transform(pairs, lambda p: p.v))
first_by_key(pairs) = CASE WHEN list_unique(trino_keys(pairs)) = len(pairs) THEN map_from_entries(pairs) ELSE map_from_entries(list_filter(pairs, lambda p, i: list_position(trino_keys(pairs), p.k) = i)) END
all_by_key(pairs) = trino_map(trino_array_distinct(trino_keys(pairs)), list_transform(trino_array_distinct(trino_keys(pairs)), lambda k: list_transform(list_filter(pairs, lambda p: p.k = k), lambda p: p.v)))
cosine_maps(a, b) = list_sum(list_transform(map_entries(a), lambda e: e.value * coalesce(map_extract_value(b, e.key), 0))) / (sqrt(list_sum(list_transform(map_values(a), lambda v: v * v))) * sqrt(list_sum(list_transform(map_values(b), lambda v: v * v))))
"""

# scalar_text: DuckDB writes 1.10 as 1.1. A number with a point is looked up in the document, and read
# again in Python only where the document may have it written otherwise.
_DOCUMENTS = """
valid_json(x) = CASE WHEN json_valid(x) THEN CAST(x AS JSON) END
json_parse(x) = CASE WHEN regexp_matches(x, '[{.eE]') OR NOT json_valid(x) THEN CAST(trino_json_sorted(x) AS JSON) ELSE json(x) END
scalar_text(e, x, path) = CASE WHEN e IS NULL OR e = 'null' OR e[1] IN ('{', '[') THEN NULL WHEN e[1] = '"' THEN json_extract_string(e, '$') WHEN NOT contains(e, '.') AND NOT contains(e, 'e') THEN e WHEN e IN ('true', 'false') THEN e WHEN contains(x, e) AND NOT (contains(x, e || '0') OR contains(x, e || 'e') OR contains(x, e || 'E')) THEN e ELSE trino_json_number_at(x, path) END
json_scalar_of(x, path) = trino_scalar_text(CAST(json_extract(trino_valid_json(CAST(x AS VARCHAR)), path) AS VARCHAR), CAST(x AS VARCHAR), path)
json_scalar_at(x, path) = trino_scalar_text(TRY(CAST(json_extract(x, path) AS VARCHAR)), CAST(x AS VARCHAR), path)
json_text(x) = CASE json_type(x) WHEN 'OBJECT' THEN trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to varchar') WHEN 'ARRAY' THEN trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to varchar') WHEN 'NULL' THEN NULL WHEN 'DOUBLE' THEN trino_double_text(TRY_CAST(x AS DOUBLE)) ELSE json_extract_string(x, '$') END
json_boolean(x) = CASE json_type(x) WHEN 'NULL' THEN NULL WHEN 'BOOLEAN' THEN TRY_CAST(x AS BOOLEAN) WHEN 'VARCHAR' THEN trino_boolean(json_extract_string(x, '$')) WHEN 'OBJECT' THEN CAST(trino_raise('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to boolean') AS BOOLEAN) WHEN 'ARRAY' THEN CAST(trino_raise('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to boolean') AS BOOLEAN) ELSE TRY_CAST(x AS DOUBLE) <> 0 END
json_integer(x) = CASE json_type(x) WHEN 'NULL' THEN NULL WHEN 'BOOLEAN' THEN CASE WHEN TRY_CAST(x AS BOOLEAN) THEN '1' ELSE '0' END WHEN 'VARCHAR' THEN trino_integer_text(json_extract_string(x, '$'), 'integer') WHEN 'DOUBLE' THEN CAST(CAST(round(TRY_CAST(x AS DOUBLE)) AS HUGEINT) AS VARCHAR) WHEN 'OBJECT' THEN trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to integer') WHEN 'ARRAY' THEN trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to integer') ELSE CAST(x AS VARCHAR) END
json_scalar(x) = CASE json_type(x) WHEN 'NULL' THEN NULL WHEN 'BOOLEAN' THEN CASE WHEN TRY_CAST(x AS BOOLEAN) THEN '1' ELSE '0' END WHEN 'VARCHAR' THEN trino_number_text(json_extract_string(x, '$'), 'double') WHEN 'OBJECT' THEN trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to a number') WHEN 'ARRAY' THEN trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to a number') ELSE CAST(x AS VARCHAR) END
json_items(x) = CAST(CASE coalesce(json_type(x), 'NULL') WHEN 'NULL' THEN NULL WHEN 'ARRAY' THEN json_extract(x, '$[*]') ELSE [CAST(trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to array') AS JSON)] END AS JSON[])
json_keys(x) = CAST(CASE coalesce(json_type(x), 'NULL') WHEN 'NULL' THEN NULL WHEN 'OBJECT' THEN json_keys(x) ELSE [trino_raise_text('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to map')] END AS VARCHAR[])
json_member(x, k) = json_extract(x, '/' || replace(replace(k, '~', '~0'), '/', '~1'))
json_field(x, name, i) = CASE json_type(x) WHEN 'OBJECT' THEN trino_json_member(x, name) WHEN 'ARRAY' THEN json_extract(x, '$[' || i || ']') END
json_is_row(x) = CASE coalesce(json_type(x), 'NULL') WHEN 'NULL' THEN FALSE WHEN 'OBJECT' THEN TRUE WHEN 'ARRAY' THEN TRUE ELSE CAST(trino_raise('INVALID_CAST_ARGUMENT', 'Cannot cast ''' || x || ''' to row') AS BOOLEAN) END
json_array_length(x) = CASE WHEN json_type(x) = 'ARRAY' THEN CAST(json_array_length(x) AS BIGINT) END
json_element(x, i) = json_extract(x, '$[' || CASE WHEN i < 0 THEN CAST(json_array_length(x) AS BIGINT) + i ELSE i END || ']')
json_array_get(x, i) = CASE WHEN json_type(x) = 'ARRAY' AND i >= -CAST(json_array_length(x) AS BIGINT) THEN CASE WHEN json_type(trino_json_element(x, i)) = 'VARCHAR' THEN json_extract_string(trino_json_element(x, i), '$') ELSE CAST(trino_json_element(x, i) AS VARCHAR) END END
json_array_contains(x, wanted) = CASE WHEN json_type(x) = 'ARRAY' THEN list_contains(CAST(json_extract(x, '$[*]') AS VARCHAR[]), CAST(wanted AS VARCHAR)) END
json_size(x) = CASE json_type(x) WHEN 'OBJECT' THEN CAST(len(json_keys(x)) AS BIGINT) WHEN 'ARRAY' THEN CAST(json_array_length(x) AS BIGINT) WHEN NULL THEN NULL ELSE CASE WHEN x IS NOT NULL THEN 0 END END
to_json(x) = CASE WHEN x IS NOT NULL THEN to_json(x) END
json_number(x) = CAST(trino_double_text(x) AS JSON)
json_object(keys, items, absent) = '{' || array_to_string(list_filter(list_transform(keys, lambda k, i: CASE WHEN items[i] IS NULL AND absent THEN NULL ELSE CAST(to_json(k) AS VARCHAR) || ':' || coalesce(CAST(items[i] AS VARCHAR), 'null') END), lambda t: t IS NOT NULL), ',') || '}'
json_array(items, absent) = '[' || coalesce(array_to_string(list_filter(list_transform(items, lambda v: CASE WHEN v IS NULL THEN CASE WHEN absent THEN NULL ELSE 'null' END ELSE CAST(v AS VARCHAR) END), lambda t: t IS NOT NULL), ','), '') || ']'
"""

MACROS = (_ERRORS, _NUMBERS, _TEXTS, _TIMES, _COLLECTIONS, _DOCUMENTS)

_MACRO = re.compile(r"(\w+)\((.*?)\) = (.+)")


def statements() -> list[str]:
    """The macros as SQL, each after those that it uses, as DuckDB wants them."""
    bodies: dict[str, tuple[str, str]] = {}
    for line in "".join(MACROS).strip().splitlines():
        match = _MACRO.fullmatch(line)
        if match:
            bodies[match[1]] = match[2], match[3]
    done: dict[str, str] = {}

    def define(name: str) -> None:
        if name in bodies and name not in done:
            parameters, body = bodies[name]
            for used in re.findall(r"trino_(\w+)\(", body):
                define(used)
            done[name] = f"CREATE OR REPLACE MACRO trino_{name}({parameters}) AS {body}"

    for name in bodies:
        define(name)
    return list(done.values())


def _null_in_null_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, as DuckDB wants those that may answer None: they see NULLs too."""

    @wraps(function)  # DuckDB counts the parameters of the function underneath
    def guarded(*values: Any) -> Any:
        return None if None in values else function(*values)

    return guarded


def prepare(connection: Any) -> None:
    """Make a DuckDB database answer as Trino does. Once per database; other connections see it."""
    for setting in SETTINGS:
        connection.execute(setting)
    for name, function, parameters, result in FUNCTIONS:
        if name in NULLABLE:
            connection.create_function(
                name, _null_in_null_out(function), parameters, result, null_handling="special"
            )
        else:
            connection.create_function(name, function, parameters, result)
    connection.execute("BEGIN; " + "; ".join(statements()) + "; COMMIT")


def failure_of(error: Exception) -> tuple[str, str] | None:
    """Trino's error code and message of a DuckDB error, or None if we have none for it."""
    text = str(error)
    marked = re.search(r"§(\w+)§(.*?)(?:§|$)", text, re.DOTALL)
    if marked:
        return marked[1], marked[2]
    for pattern, code, message in _KNOWN:
        if found := re.search(pattern, text):
            return code, found.expand(message)
    return None


_KNOWN = (
    (
        r'column "?(.*?)"? must appear in the GROUP BY clause',
        "EXPRESSION_NOT_AGGREGATE",
        r"line 1:1: '\1' must be an aggregate expression or appear in GROUP BY clause",
    ),
    (r"Division by zero", "DIVISION_BY_ZERO", "Division by zero"),
    (r"(Overflow in [^!\n]*)", "NUMERIC_VALUE_OUT_OF_RANGE", r"\1"),
    (r"(Casting value \"?.*?out of range[^\n]*)", "NUMERIC_VALUE_OUT_OF_RANGE", r"\1"),
    (r"((?:Type|Value) .*out of range[^\n]*)", "NUMERIC_VALUE_OUT_OF_RANGE", r"\1"),
    (r"Map keys must be unique", "INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed"),
    (
        r"Could not parse string \"(.*?)\" according to format",
        "INVALID_FUNCTION_ARGUMENT",
        r'Invalid format: "\1"',
    ),
    (r"Conversion Error: ([^\n]*)", "INVALID_CAST_ARGUMENT", r"\1"),
    (
        r"More than one row returned by a subquery",
        "SUBQUERY_MULTIPLE_ROWS",
        "Scalar sub-query has returned multiple rows",
    ),
)
