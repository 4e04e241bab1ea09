"""The parts of the fault drill: commands, how they are run and broken off, and what has to be left."""
