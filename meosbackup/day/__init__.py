"""The race day: ticks until Ctrl-C, and what is said of them."""
