"""Fits to a finished autoencoder: predictors, priors, calibration."""
