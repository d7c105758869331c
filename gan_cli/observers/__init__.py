"""What watches and keeps a run. They read; they never change what they watch."""
