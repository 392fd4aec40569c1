"""The search through the latent space: what to propose, what was found, how to resume."""
