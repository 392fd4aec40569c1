"""Benchmarks: molgen beside published methods."""
