"""The tests: a package, since another distribution installs one of this name."""
