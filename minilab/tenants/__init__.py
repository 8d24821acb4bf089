"""Tenants, their plans and their API keys: who may send, which streams, and how much."""

from minilab.tenants.errors import TenantError
from minilab.tenants.model import ApiKey, Tenant
from minilab.tenants.plans import DEFAULT_PLAN, PLANS
from minilab.tenants.store import Tenants

__all__ = ["DEFAULT_PLAN", "PLANS", "ApiKey", "Tenant", "TenantError", "Tenants"]
