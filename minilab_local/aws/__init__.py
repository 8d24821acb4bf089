"""moto's server as the laptop's AWS: state that survives, queues that stay fast."""
