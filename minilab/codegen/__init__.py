"""What follows from the contracts: dbt's typed staging, its YAML, and the event catalogue.

Everything here is a pure function from the registry to text; ``sync`` alone touches files.
"""
