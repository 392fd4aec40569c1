"""Workers of an executor, on this machine or on others, and the tasks that they run."""
