"""What each customer did, is worth, and is likely to want."""
