"""Executes programs with torch: steps, segments, checkpoints, traces, evidence."""
