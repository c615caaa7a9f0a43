"""RESTORE.txt, the guide for a helper without meosbackup."""
