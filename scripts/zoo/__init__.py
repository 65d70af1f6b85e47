"""Models of many families, captured and trained beside PyTorch: the table docs/models.md."""
