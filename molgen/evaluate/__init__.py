"""Measures of a checkpoint, as defined in the literature."""
