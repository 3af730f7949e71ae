"""Stands in for pandas in the processes that tests start: it is no dependency, so nothing may need it."""

raise ImportError("pandas is not a dependency of Rapport")
