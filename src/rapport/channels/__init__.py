"""Carry messages out. Each adapter keeps what it carried apart from what it was asked to."""
