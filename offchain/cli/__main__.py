"""`python -m offchain.cli`: the `crux` command by its module, as torchrun starts it."""

from offchain.cli import main

main()
