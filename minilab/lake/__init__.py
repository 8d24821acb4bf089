"""Where things lie: the layout on S3, the raw tables, Glue registration, Athena queries."""
