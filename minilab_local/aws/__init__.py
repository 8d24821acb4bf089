"""moto's server as the laptop's AWS: state that survives, queues and tables that stay fast."""
