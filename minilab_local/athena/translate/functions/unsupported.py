"""Functions that Trino has and this engine does not carry, each with the reason.

A query that calls one fails with NOT_SUPPORTED and this reason.
"""

from __future__ import annotations

_SKETCH = "a sketch whose bytes only Trino can read"
_JSON = "the SQL/JSON functions are not carried; use json_extract"
_ABSENT = "not in Athena's version of Trino"
_DISTRIBUTION = "no such distribution in DuckDB"
_CHART = "a chart for terminals"

UNSUPPORTED: dict[str, str] = {
    **dict.fromkeys(
        (
            "approx_set", "empty_approx_set", "hash_counts", "intersection_cardinality",
            "jaccard_index", "make_set_digest", "merge", "merge_set_digest", "qdigest_agg",
            "quantile_at_value", "tdigest_agg", "value_at_quantile", "values_at_quantiles",
            "numeric_histogram", "approx_most_frequent", "checksum",
        ),
        _SKETCH,
    ),
    **dict.fromkeys(
        (
            "array_first", "array_last", "collect", "cosine_distance", "dot_product", "element",
            "ends_with", "euclidean_distance", "fusion", "intersection", "json", "json_scalar",
            "json_serialize", "overlay", "set", "timezone", "title_case", "zstd_compress",
            "zstd_decompress",
        ),
        _ABSENT,
    ),
    **dict.fromkeys(("beta_cdf", "inverse_beta_cdf", "t_cdf", "t_pdf"), _DISTRIBUTION),
    **dict.fromkeys(("bar", "color", "render", "rgb"), _CHART),
    "kurtosis": "DuckDB corrects it for the sample size otherwise than Trino",
    "skewness": "DuckDB corrects it for the sample size otherwise than Trino",
    "current_groups": "there are no groups",
    "current_time": "times with time zone are not carried",
    "from_iso8601_timestamp_nanos": "timestamps hold microseconds here",
    "spooky_hash_v2_32": "no such hash here",
    "spooky_hash_v2_64": "no such hash here",
    "word_stem": "no stemmer here",
}  # fmt: skip
