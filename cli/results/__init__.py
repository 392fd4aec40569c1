"""Commands that show results: a page, a dashboard."""
