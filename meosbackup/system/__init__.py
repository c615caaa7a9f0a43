"""The operating system: programs, files, disks, locks, signals, the console."""
