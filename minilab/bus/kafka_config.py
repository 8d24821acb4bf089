"""How to reach the Kafka cluster: the part of librdkafka's configuration that deployments share.

``MSK_IAM`` signs in to Amazon MSK with the AWS credentials of the environment: SASL/OAUTHBEARER
over TLS, the token a URL signed with them that is valid for 15 minutes (Amazon MSK Developer Guide,
"IAM access control"; the signer is AWS's own). librdkafka asks for a new one on a thread of its own
when four fifths of that are over, for producers, consumers and admin clients alike, whether or not
anybody polls them (confluent-kafka 2.13 and later, pull request 2130). It was tested that
the token has the documented form and that librdkafka takes it; it was not proven against MSK.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from minilab import aws
from minilab.errors import MinilabError
from minilab.settings import Settings


def kafka_config(settings: Settings) -> dict[str, Any]:
    """Connection settings for confluent-kafka's producer, consumer or admin client.

    Raises:
        MinilabError: no bootstrap servers are set, the security mode is unknown, or there are no
            AWS credentials to sign in with.
    """
    if not settings.kafka_bootstrap_servers:
        raise MinilabError(
            "No Kafka cluster is named: MINILAB_KAFKA_BOOTSTRAP_SERVERS is not set.",
            hint='On a laptop: minilab local up --detach && eval "$(minilab local env)".',
        )
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"minilab-{settings.env}",
        "log_level": 2,  # what goes wrong is raised; lines on stderr beside it only confuse
    }
    match settings.kafka_security:
        case "PLAINTEXT":
            return config
        case "MSK_IAM":
            # Once here: a callback that fails only makes the client time out after 10 s.
            msk_token(settings.region)
            return config | {
                "security.protocol": "SASL_SSL",
                "sasl.mechanisms": "OAUTHBEARER",
                "oauth_cb": partial(_refresh, settings.region),
            }
        case unknown:
            raise MinilabError(
                f"MINILAB_KAFKA_SECURITY={unknown!r} is not known.",
                hint="Use PLAINTEXT, or MSK_IAM for Amazon MSK with IAM authentication.",
            )


def msk_token(region: str) -> tuple[str, float]:
    """A token for MSK clusters of a region, and the second since 1970 when it expires.

    Signed here; nothing is asked over the network but what finding credentials takes.

    Raises:
        MinilabError: there are no AWS credentials.
    """
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # type: ignore[import-untyped]

    try:
        with aws.readable_errors("Signing in to Kafka (MSK)"):
            token, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
    except (AttributeError, ValueError) as error:  # its ways to say that it found none
        raise MinilabError(
            "Signing in to Kafka (MSK) failed: no AWS credentials.", hint=aws.CONNECT_HINT
        ) from error
    return token, expires_ms / 1000


def _refresh(region: str, _: str) -> tuple[str, float]:
    return msk_token(region)
