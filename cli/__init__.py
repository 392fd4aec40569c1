"""The command line of molgen: each command parses options, calls molgen and reports the result."""
