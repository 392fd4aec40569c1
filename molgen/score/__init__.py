"""Scores: measures of molecules, their desirabilities, and the total of several objectives."""
