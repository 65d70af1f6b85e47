"""The executable specification of Crux: numpy and the standard library only."""
