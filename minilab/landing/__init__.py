"""Bus to Parquet on S3: sources, decoding, writing, committing.

    summary = land(settings, registry)
    summary.raise_if_broken()

``loop`` says in which order things are done, and why nothing is lost or landed twice.
"""

from minilab.landing.api import backlog, land
from minilab.landing.errors import Fenced, LandingError
from minilab.landing.failures import failures_backlog, land_failures
from minilab.landing.model import Limits, LostRange
from minilab.landing.summary import Backlog, LandingSummary, ShardSummary, StreamSummary

__all__ = [
    "Backlog",
    "Fenced",
    "LandingError",
    "LandingSummary",
    "Limits",
    "LostRange",
    "ShardSummary",
    "StreamSummary",
    "backlog",
    "failures_backlog",
    "land",
    "land_failures",
]
