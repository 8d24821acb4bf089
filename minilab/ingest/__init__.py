"""The ingestion API: the CloudEvents HTTP binding in front of the ingest queue.

``accept`` says in which order things are done, and why an event that was answered with 202 is
there, once; ``handler`` is what Lambda calls.
"""
