"""The networks and what is saved with them: latent vectors, decoding, priors, predictors."""
