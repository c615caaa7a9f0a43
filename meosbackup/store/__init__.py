"""The drive and the spool: where batches lie, and how they get there."""
