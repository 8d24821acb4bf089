"""The laptop's Kafka broker."""
