"""The live heap, process and workload, read into values: the only code that touches live objects."""
