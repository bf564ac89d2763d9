"""Metrics of the heap: for Prometheus, and for OpenTelemetry."""
