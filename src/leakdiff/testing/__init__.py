"""What the pytest plugin does once a test asks for it; nothing here is imported by a suite that does not."""
