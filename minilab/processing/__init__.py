"""The processor (team B): from the ingest queue to each stream's bus, enriched, nothing lost.

``process`` does it with one batch; ``handler`` is it as a Lambda function, ``worker`` as a loop.
"""
