"""The event buses, SQS and Kafka, from the publishing side, and how to reach them."""
