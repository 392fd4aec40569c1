"""What a checkpoint is worth, in numbers defined in the field's literature."""
