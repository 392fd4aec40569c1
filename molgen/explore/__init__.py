"""Instruments of the latent space: paths, analogies, neighbours, directions, maps, probes."""
