"""From molecules to tokens, from tokens to latent vectors and predicted properties, and back."""
