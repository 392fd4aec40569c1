"""The search of the latent space: proposals, the ledger, resumption."""
