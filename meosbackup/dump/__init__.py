"""The dump and client programs run, and what is read from a dump."""
