"""From an owner's name to the code behind it: the lines that put entries in and those that take them out."""
