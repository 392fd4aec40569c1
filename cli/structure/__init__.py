"""Commands about three-dimensional structures."""
