"""Everything that runs off chain: capture, runner, kernels, chain client, store, agents."""
