github_repository = "example/minilab"
