"""Backs up the databases of MeOS from its MySQL or MariaDB server to a removable drive."""

__version__ = "1.0.0"
