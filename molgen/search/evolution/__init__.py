"""Evolution in the latent space, with a surrogate that predicts the scores of offspring before any call."""
