"""The laptop's commands: local, up, demo."""
