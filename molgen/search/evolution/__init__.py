"""Evolution in the latent space, with a surrogate that judges offspring before they cost a call."""
