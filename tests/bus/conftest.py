from tests.domain_fixtures import aws_endpoint, cached_clients, kafka_broker, settings

__all__ = ["aws_endpoint", "cached_clients", "kafka_broker", "settings"]
