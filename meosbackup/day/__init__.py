"""The race day: ticks until Ctrl-C, and what is reported of them."""
