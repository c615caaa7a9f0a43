"""MeOS's own file format, made from dumps."""
