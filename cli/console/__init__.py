"""What commands share: options, printing and output files."""
