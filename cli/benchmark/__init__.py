"""The commands `molgen benchmark ...`."""
