"""Builds what AWS runs of this project: ``python -m infra.packages --help``.

``build``  a zip for each Lambda function in ``packages.toml``, with only what its handler imports
``locks``  for each container image, the part of ``requirements.lock`` that it needs
"""
