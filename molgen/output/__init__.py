"""Output files: candidates, listings, charts, maps."""
