"""Scores: what a molecule measures, how good that is, and how several measures become one number."""
