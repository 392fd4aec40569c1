"""Molecules to token ids and back: vocabularies of SELFIES symbols and of SMILES symbols."""
