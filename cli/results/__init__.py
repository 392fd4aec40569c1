"""Commands that show what a run found: a page, a dashboard."""
