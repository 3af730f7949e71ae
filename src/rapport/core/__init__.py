"""The vocabulary every room shares: tables, money, keys, reasons, errors. No marketing may enter."""
