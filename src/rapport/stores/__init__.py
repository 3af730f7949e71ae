"""Keep state: the files of a turn, and the memory of what was said to whom."""
