"""Failed events: find them, look at them, send them round again.

found = find(settings, Filter(reasons=frozenset({"unknown_type"})))
summary = replay(settings, registry, found)
"""

from minilab.failed.events import FailedEvent, FailedEventError, Filter, find, find_one
from minilab.failed.sending import ReplaySummary, replay

__all__ = [
    "FailedEvent",
    "FailedEventError",
    "Filter",
    "ReplaySummary",
    "find",
    "find_one",
    "replay",
]
