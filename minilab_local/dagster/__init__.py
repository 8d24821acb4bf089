"""Dagster on the laptop: its home folder, and `dagster dev` as a process that ends when told."""
