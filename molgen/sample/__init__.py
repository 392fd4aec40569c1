"""Samples of the prior that meet a request."""
