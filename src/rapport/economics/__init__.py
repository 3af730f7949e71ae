"""What a treatment is worth in money, and whether it is warranted. Pure arithmetic on arrays."""
