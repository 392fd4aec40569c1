"""Projects: curated measurements, and rounds of forecasts, proposals and results."""
