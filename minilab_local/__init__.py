"""The laptop's AWS: moto's server with an Athena that executes, a Kafka broker, start and stop.

Knows nothing of the platform beyond ``minilab.settings`` and ``minilab.errors``: to everything
else it is a set of endpoints. The platform's services it runs by their names, the API's Lambda
handler behind a gateway of its own.
"""
