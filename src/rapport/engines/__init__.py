"""Run relational work. Rooms hand over SQL and take back Arrow tables."""
