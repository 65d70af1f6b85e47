"""The main job from end to end, on a chain and in a folder of its own."""
