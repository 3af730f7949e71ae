"""Assemble the message of one customer from standard modules."""
