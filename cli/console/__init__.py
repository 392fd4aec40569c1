"""What the commands share: options, and what they print and write."""
