"""Ways in, as people and programs use them."""
