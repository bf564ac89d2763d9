"""From readings to growth: series over rounds, their shape and their rate."""
