"""Benchmarks: molgen beside the field's methods, on the same molecules and machine."""
