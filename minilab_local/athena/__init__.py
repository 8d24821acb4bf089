"""Athena on the laptop: parse, resolve, rewrite, execute, commit, answer."""
