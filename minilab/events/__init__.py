"""What an event is: the CloudEvents 1.0 envelope, contracts, validation."""
