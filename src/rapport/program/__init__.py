"""What a company wants: the strategy in program.toml, read and checked. No data is touched here."""
