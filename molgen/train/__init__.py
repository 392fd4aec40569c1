"""From files of molecules to a trained model: all that changes weights."""
