"""Measured compounds, round after round: curated measurements, forecasts, proposals, results."""
