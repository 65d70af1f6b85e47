"""Worker and challenger: a pure `decide(view)`, and a thin loop around it."""
