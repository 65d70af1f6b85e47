"""Everything off chain: capture, runner, kernels, chain client, store, agents, command line."""

import os

# Before PyTorch loads OpenMP. Threads that spin while they wait for each other take a hundred
# times as long as soon as the machine does anything else besides (measured: a step of the demo's
# model 0.2 s, against up to 17 s with two busy cores).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What a thread waits awake before it sleeps, about 10 us: long enough from one kernel to the next.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
