"""The whole economy under any sequence of calls, against an independent model of it."""
