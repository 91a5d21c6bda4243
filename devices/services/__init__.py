"""Writes that touch more than one row, named `<noun>_<verb>`."""
