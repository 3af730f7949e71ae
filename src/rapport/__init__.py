"""Rapport: decides what to say next to each customer, or to say nothing, and proves that it pays.

Why it exists: the top of the package holds the version and nothing else, so that importing any room
costs nothing but that room.
"""

__version__ = "0.1.0"
