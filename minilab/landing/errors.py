"""What can go wrong in landing, beyond what AWS or Kafka say themselves."""

from __future__ import annotations

from minilab.errors import MinilabError


class LandingError(MinilabError):
    """Messages are on the bus and could not be landed; they stay there."""


class Fenced(LandingError):
    """Another lander works on this shard: a conditional write of the ledger was refused.

    Nothing is lost: whoever won lands the same messages. The loser leaves the shard alone.
    """
