"""Training: from files of molecules to a trained model."""
