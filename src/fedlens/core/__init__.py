"""What everything else rests on: configuration, names of components, random streams, errors, files."""
