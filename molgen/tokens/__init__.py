"""Molecules as token ids, and back: vocabularies of SELFIES symbols and of SMILES symbols."""
