"""A batch: what it holds, its file and its names."""
