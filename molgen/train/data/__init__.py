"""From files to the batches a training step sees."""
