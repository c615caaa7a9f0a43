"""The server, its errors and its programs."""
