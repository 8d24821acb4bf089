"""How a query fails, in Athena's own words where they are known."""

from __future__ import annotations

from dataclasses import dataclass

USER, SYSTEM = 2, 1


@dataclass(eq=False)
class QueryError(Exception):
    """A query that failed: what GetQueryExecution says in StateChangeReason and AthenaError.

    ``code`` is Trino's error name (``TABLE_NOT_FOUND``), or empty where Athena prints the message
    alone. ``category`` is 2 for the user's errors and 1 for the system's, as in AthenaError.
    """

    code: str
    message: str
    category: int = USER

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message


class InvalidRequest(Exception):
    """A request that Athena refuses at once (InvalidRequestException): SQL it cannot parse."""


def not_supported(what: str) -> QueryError:
    """What Athena does and this engine does not (or neither): always said, never guessed."""
    return QueryError("NOT_SUPPORTED", what)


class NotPermitted(QueryError):
    """IAM does not allow the caller what the query needs; ``what`` is IAM's own message."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "PERMISSION_DENIED", f"Insufficient permissions to execute the query. {what}"
        )
