"""Mini-Lab's library: what the platform does with events, on AWS APIs and Kafka.

Rooms: ``events`` (what an event is), ``landing`` (bus to Parquet on S3), ``lake`` (where things
lie and how they are queried), ``cli`` (the command line). Nothing here knows Dagster, and nothing
here knows whether AWS is real.
"""
