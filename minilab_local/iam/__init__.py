"""IAM on the laptop: what a call needs to be allowed, and whether a role allows it."""
