"""Content-addressed artifacts, by the roots that the chain knows."""
