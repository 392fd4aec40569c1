"""The networks, and the checkpoint that holds them: autoencoder, priors, predictors, applicability domain."""
