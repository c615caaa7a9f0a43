"""One tick: what changed, the dumps of that, and the batch made of them."""
