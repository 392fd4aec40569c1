"""The latent space: encode, decode, sample."""
