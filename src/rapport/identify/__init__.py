"""Find and recognise each customer in the company's files; grade what the data can be used for."""
