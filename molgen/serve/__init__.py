"""The workbench: a local server whose page calls the library."""
