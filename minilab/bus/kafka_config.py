"""How to reach the Kafka cluster: the part of librdkafka's configuration that deployments share."""

from __future__ import annotations

from typing import Any

from minilab.errors import MinilabError
from minilab.settings import Settings


def kafka_config(settings: Settings) -> dict[str, Any]:
    """Connection settings for confluent-kafka's producer, consumer or admin client.

    Raises:
        MinilabError: no bootstrap servers are set, or the security mode is unknown.
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
        case unknown:
            raise MinilabError(
                f"MINILAB_KAFKA_SECURITY={unknown!r} is not known.",
                hint="Use PLAINTEXT. (MSK_IAM comes with the processor, issue 3.)",
            )
