"""What a model is worth, in numbers defined in the field's literature."""
