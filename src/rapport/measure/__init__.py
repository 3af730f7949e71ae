"""Prove: baselines, rankings, read-outs, with intervals and per tier."""
