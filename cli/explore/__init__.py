"""The commands `molgen explore ...`."""
