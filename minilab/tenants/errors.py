"""What can be wrong with a tenant."""

from __future__ import annotations

from minilab.errors import MinilabError


class TenantError(MinilabError):
    """There is no such tenant, there already is, or it was changed by another at the same time."""
