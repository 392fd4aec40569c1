"""PMO, practical molecular optimisation: 23 oracles, its accounting, and runs of it."""
