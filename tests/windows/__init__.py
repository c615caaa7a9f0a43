"""meosbackup on Windows: the real command, run by a real Windows Python, with real MariaDB programs for Windows."""
