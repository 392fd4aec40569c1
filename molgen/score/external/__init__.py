"""Scorers of the user, each in a worker process."""
