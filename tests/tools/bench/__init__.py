"""Measurements of meosbackup, compiled as an installed one is, though the environment may forbid to keep that."""

import os

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
