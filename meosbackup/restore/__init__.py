"""Races brought back into a server, and rehearsals of that."""
