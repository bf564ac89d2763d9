"""The parts of a soak: scenarios and their faults, the mix, the load, and what is done with what they show."""
