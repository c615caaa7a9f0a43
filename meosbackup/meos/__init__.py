"""What MeOS's databases are, and how they are read."""
