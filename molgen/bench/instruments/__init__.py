"""The instruments of the latent space, each with a score beside a control."""
