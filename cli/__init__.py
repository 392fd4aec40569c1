"""The command line of molgen: options in, one call of molgen, a report out."""
