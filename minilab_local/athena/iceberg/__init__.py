"""Iceberg tables: read, written, changed and committed through pyiceberg over Glue."""
