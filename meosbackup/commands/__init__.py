"""The commands: a file each, with its options."""
