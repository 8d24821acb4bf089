"""The error that a query gets when it cannot be translated."""

from __future__ import annotations


class TranslationError(Exception):
    """A Trino query that Athena would refuse, or that this engine cannot carry.

    ``code`` is Trino's name of the error (FUNCTION_NOT_FOUND, TYPE_MISMATCH, NOT_SUPPORTED,
    COLUMN_NOT_FOUND, AMBIGUOUS_NAME …) and ``message`` what Athena shows after it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def not_supported(what: str) -> TranslationError:
    """A thing that Trino knows and this engine does not."""
    return TranslationError("NOT_SUPPORTED", f"{what} is not supported by the local Athena engine")


def type_mismatch(message: str) -> TranslationError:
    return TranslationError("TYPE_MISMATCH", f"line 1:1: {message}")
