"""Popcounts out of a family's own cells: what is added where, and what the cells are set to."""
