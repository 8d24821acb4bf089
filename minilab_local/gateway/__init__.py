"""The laptop's API Gateway: an HTTP API in front of one Lambda function, as a process.

``event`` makes a Lambda event of a request, ``function`` runs the handler, ``response`` makes an
HTTP response of what it returned, ``app`` puts the three together, ``server`` listens.
"""
