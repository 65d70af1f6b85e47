"""The only code that talks to a chain: a typed client, accounts, deployments."""
