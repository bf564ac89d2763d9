"""Snapshots on disk: single files, and a store that keeps a history of them."""
