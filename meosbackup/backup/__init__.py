"""One tick: what changed, its dumps, and the batch that they make."""
