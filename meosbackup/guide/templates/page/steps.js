// What to do to get back to a batch.
