"""What each page of the debug endpoint says: a view takes what was asked and returns a value."""
