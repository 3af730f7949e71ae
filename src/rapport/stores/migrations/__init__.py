"""Bring a memory of an earlier version up to date."""
