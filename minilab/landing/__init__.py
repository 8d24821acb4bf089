"""Bus to Parquet on S3: sources, decoding, writing, committing."""
