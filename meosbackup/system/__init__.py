"""The operating system: programs, disks, locks, signals."""
