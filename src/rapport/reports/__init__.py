"""Show a turn to a person as one self-contained page with charts."""
