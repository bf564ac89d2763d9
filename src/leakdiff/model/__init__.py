"""Values: plain names and numbers that cross every stage and outlive the process."""
