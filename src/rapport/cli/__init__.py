"""The command line: parse, call a workflow, print. No marketing and no SQL."""
