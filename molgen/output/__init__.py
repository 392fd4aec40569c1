"""From what a run found to the files that a chemist opens."""
