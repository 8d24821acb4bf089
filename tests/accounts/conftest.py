from tests.domain_fixtures import kafka_broker

__all__ = ["kafka_broker"]
