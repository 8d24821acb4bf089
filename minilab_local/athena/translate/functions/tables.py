"""The functions that a line can say (see ``signatures`` for the grammar).

Source: Trino documentation, "Functions and operators"; DuckDB documentation, "Functions".
"""

from __future__ import annotations

from minilab_local.athena.translate.signatures import parse_table

MATH = """
abs(N) -> N
acos(double) -> double = trino_acos
asin(double) -> double = trino_asin
atan(double) -> double
atan2(double, double) -> double
cbrt(double) -> double
cos(double) -> double
cosh(double) -> double
degrees(double) -> double
e() -> double = exp(1)
exp(double) -> double
infinity() -> double = CAST('infinity' AS DOUBLE)
is_finite(double) -> boolean = isfinite
is_infinite(double) -> boolean = isinf
is_nan(real) -> boolean = isnan
is_nan(double) -> boolean = isnan
ln(double) -> double = trino_ln({0})
log(double, double) -> double = (trino_ln({1}) / trino_ln({0}))
log10(double) -> double = trino_log10({0})
log2(double) -> double = trino_log2({0})
nan() -> double = CAST('nan' AS DOUBLE)
pi() -> double
pow(double, double) -> double
power(double, double) -> double = pow
radians(double) -> double
sin(double) -> double
sinh(double) -> double
sqrt(double) -> double = trino_sqrt({0})
tan(double) -> double
tanh(double) -> double
from_base(varchar, bigint) -> bigint = trino_from_base
to_base(bigint, bigint) -> varchar = lower(to_base({0}, CAST({1} AS INTEGER)))
width_bucket(double, double, double, bigint) -> bigint = trino_width_bucket
width_bucket(double, array(double)) -> bigint = trino_width_bucket_array
normal_cdf(double, double, double) -> double = trino_normal_cdf
inverse_normal_cdf(double, double, double) -> double = trino_inverse_normal_cdf
wilson_interval_lower(bigint, bigint, double) -> double = trino_wilson({0}, {1}, {2}, -1)
wilson_interval_upper(bigint, bigint, double) -> double = trino_wilson({0}, {1}, {2}, 1)
"""

BITS = """
bit_count(bigint, bigint) -> bigint = trino_bit_count
bitwise_and(bigint, bigint) -> bigint = ({0} & {1})
bitwise_not(bigint) -> bigint = (-({0}) - 1)
bitwise_or(bigint, bigint) -> bigint = ({0} | {1})
bitwise_xor(bigint, bigint) -> bigint = xor({0}, {1})
"""

TEXTS = """

codepoint(varchar) -> integer = unicode({0})
hamming_distance(varchar, varchar) -> bigint = trino_hamming
length(varchar) -> bigint
length(varbinary) -> bigint = octet_length({0})
levenshtein_distance(varchar, varchar) -> bigint = levenshtein
lower(varchar) -> varchar
upper(varchar) -> varchar
lpad(varchar, bigint, varchar) -> varchar = lpad({0}, CAST({1} AS INTEGER), {2})
rpad(varchar, bigint, varchar) -> varchar = rpad({0}, CAST({1} AS INTEGER), {2})
luhn_check(varchar) -> boolean = trino_luhn
regexp_count(varchar, varchar) -> bigint = len(regexp_extract_all({0}, {1}))
replace(varchar, varchar) -> varchar = trino_replace({0}, {1}, '')
replace(varchar, varchar, varchar) -> varchar = trino_replace({0}, {1}, {2})
reverse(varchar) -> varchar
reverse(array(T)) -> array(T) = list_reverse({0})
soundex(varchar) -> varchar = trino_soundex
split(varchar, varchar) -> array(varchar) = trino_split({0}, {1})
split(varchar, varchar, bigint) -> array(varchar) = trino_split_limit({0}, {1}, {2})
split_part(varchar, varchar, bigint) -> varchar = trino_split_part
starts_with(varchar, varchar) -> boolean
strpos(varchar, varchar) -> bigint = instr
strpos(varchar, varchar, bigint) -> bigint = trino_strpos
position(varchar, varchar) -> bigint = instr({1}, {0})
substr(varchar, bigint) -> varchar = trino_substr({0}, {1})
substr(varchar, bigint, bigint) -> varchar = trino_substr_length({0}, {1}, {2})
substring(varchar, bigint) -> varchar = trino_substr({0}, {1})
substring(varchar, bigint, bigint) -> varchar = trino_substr_length({0}, {1}, {2})
substr(varbinary, bigint) -> varbinary = trino_substr_bytes({0}, {1}, octet_length({0}))
substr(varbinary, bigint, bigint) -> varbinary = trino_substr_bytes
translate(varchar, varchar, varchar) -> varchar = trino_translate
ltrim(varchar) -> varchar = ltrim({0}, trino_spaces())
rtrim(varchar) -> varchar = rtrim({0}, trino_spaces())
trim(varchar) -> varchar = trim({0}, trino_spaces())
ltrim(varchar, varchar) -> varchar
rtrim(varchar, varchar) -> varchar
trim(varchar, varchar) -> varchar
"""

BINARY = """
crc32(varbinary) -> bigint = trino_crc32
from_base32(varchar) -> varbinary = trino_from_base32
from_base64(varchar) -> varbinary = trino_from_base64({0}, FALSE)
from_base64url(varchar) -> varbinary = trino_from_base64({0}, TRUE)
from_big_endian_32(varbinary) -> integer = CAST(trino_from_big_endian({0}, 4) AS INTEGER)
from_big_endian_64(varbinary) -> bigint = trino_from_big_endian({0}, 8)
from_hex(varchar) -> varbinary = from_hex
from_ieee754_32(varbinary) -> real = CAST(trino_from_ieee754({0}, 4) AS FLOAT)
from_ieee754_64(varbinary) -> double = trino_from_ieee754({0}, 8)
from_utf8(varbinary) -> varchar = trino_from_utf8({0}, '�')
from_utf8(varbinary, varchar) -> varchar = trino_from_utf8
hmac_md5(varbinary, varbinary) -> varbinary = trino_hmac('md5', {0}, {1})
hmac_sha1(varbinary, varbinary) -> varbinary = trino_hmac('sha1', {0}, {1})
hmac_sha256(varbinary, varbinary) -> varbinary = trino_hmac('sha256', {0}, {1})
hmac_sha512(varbinary, varbinary) -> varbinary = trino_hmac('sha512', {0}, {1})
md5(varbinary) -> varbinary = from_hex(md5({0}))
murmur3(varbinary) -> varbinary = trino_murmur3
sha1(varbinary) -> varbinary = from_hex(sha1({0}))
sha256(varbinary) -> varbinary = from_hex(sha256({0}))
sha512(varbinary) -> varbinary = trino_sha512
to_base32(varbinary) -> varchar = trino_to_base32
to_base64(varbinary) -> varchar = to_base64
to_base64url(varbinary) -> varchar = replace(replace(to_base64({0}), '+', '-'), '/', '_')
to_big_endian_32(integer) -> varbinary = from_hex(printf('%08x', CAST({0} AS BIGINT) & 4294967295))
to_big_endian_64(bigint) -> varbinary = from_hex(printf('%016x', {0}))
to_hex(varbinary) -> varchar = hex
to_ieee754_32(real) -> varbinary = trino_to_ieee754({0}, 4)
to_ieee754_64(double) -> varbinary = trino_to_ieee754({0}, 8)
to_utf8(varchar) -> varbinary = encode
xxhash64(varbinary) -> varbinary = trino_xxhash64
reverse(varbinary) -> varbinary = trino_reverse_bytes
"""

URLS = """
url_decode(varchar) -> varchar = trino_url_decode
url_encode(varchar) -> varchar = trino_url_encode
url_extract_fragment(varchar) -> varchar = trino_url_part({0}, 'fragment')
url_extract_host(varchar) -> varchar = trino_url_part({0}, 'host')
url_extract_parameter(varchar, varchar) -> varchar = trino_url_parameter
url_extract_path(varchar) -> varchar = trino_url_part({0}, 'path')
url_extract_port(varchar) -> bigint = CAST(trino_url_part({0}, 'port') AS BIGINT)
url_extract_protocol(varchar) -> varchar = trino_url_part({0}, 'protocol')
url_extract_query(varchar) -> varchar = trino_url_part({0}, 'query')
"""

# DuckDB skips NULL in some list functions where Trino gives NULL; the trino_ macros put that right.
ARRAYS = """
all_match(array(T), function(T, boolean)) -> boolean = trino_all_match(list_transform({0}, {1}))
any_match(array(T), function(T, boolean)) -> boolean = trino_any_match(list_transform({0}, {1}))
none_match(array(T), function(T, boolean)) -> boolean = trino_none_match(list_transform({0}, {1}))
array_distinct(array(T)) -> array(T) = trino_array_distinct
array_except(array(T), array(T)) -> array(T) = trino_array_except
array_intersect(array(T), array(T)) -> array(T) = trino_array_intersect
array_max(array(O)) -> O = trino_array_max
array_min(array(O)) -> O = trino_array_min
array_position(array(T), T) -> bigint = trino_array_position
array_remove(array(T), T) -> array(T) = trino_array_remove
array_union(array(T), array(T)) -> array(T) = trino_array_distinct(trino_array_concat({0}, {1}))
array_histogram(array(T)) -> map(T, bigint) = trino_array_histogram
arrays_overlap(array(T), array(T)) -> boolean = trino_arrays_overlap
cardinality(array(T)) -> bigint = len
combinations(array(T), bigint) -> array(array(T)) = trino_combinations
contains_sequence(array(T), array(T)) -> boolean = trino_contains_sequence
element_at(array(T), bigint) -> T = trino_element_at
filter(array(T), function(T, boolean)) -> array(T) = list_filter
flatten(array(array(T))) -> array(T) = trino_flatten
ngrams(array(T), bigint) -> array(array(T)) = trino_ngrams
repeat(T, bigint) -> array(T) = trino_repeat
shuffle(array(T)) -> array(T) = trino_shuffle
slice(array(T), bigint, bigint) -> array(T) = trino_slice
transform(array(T), function(T, U)) -> array(U) = list_transform
trim_array(array(T), bigint) -> array(T) = trino_trim_array
"""

MAPS = """
cardinality(map(K, V)) -> bigint = CAST(cardinality({0}) AS BIGINT)
element_at(map(K, V), K) -> V = map_extract_value({0}, {1})
map_entries(map(K, V)) -> array(row(K, V)) = trino_map_entries
map_keys(map(K, V)) -> array(K)
map_values(map(K, V)) -> array(V)
"""

SIGNATURES = {}
for _table in (MATH, BITS, TEXTS, BINARY, URLS, ARRAYS, MAPS):
    for _name, _lines in parse_table(_table).items():
        SIGNATURES.setdefault(_name, []).extend(_lines)
