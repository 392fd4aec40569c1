"""What is fitted to the latent vectors of a finished autoencoder."""
