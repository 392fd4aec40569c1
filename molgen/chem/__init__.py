"""From a file of structures to checked molecules: reading, standardising, measuring, embedding in space."""
