"""The laptop's own keys: the account's root, who may do everything."""

from __future__ import annotations

REGION = "us-east-1"
CREDENTIALS = {
    # Twenty characters beginning with AKIA: clients and moto know an access key by that form.
    "AWS_ACCESS_KEY_ID": "AKIAMINILABLOCAL0000",
    "AWS_SECRET_ACCESS_KEY": "minilab-local-secret",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def signed(service: str) -> dict[str, str]:
    """The header by which the laptop's AWS knows its root; it does not look at signatures."""
    scope = f"{CREDENTIALS['AWS_ACCESS_KEY_ID']}/20000101/{REGION}/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}
