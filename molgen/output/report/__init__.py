"""Reports on campaigns, trainings and projects as one HTML page without network."""
