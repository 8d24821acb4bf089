from tests.domain_fixtures import aws_endpoint, kafka_broker, settings

__all__ = ["aws_endpoint", "kafka_broker", "settings"]
