"""One file for each stage of a turn; what a stage needs of the world comes through a port."""
