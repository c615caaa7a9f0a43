"""Races restored to a server, and rehearsals of that."""
