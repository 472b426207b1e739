"""Whether somebody's rule is the one that it is called after: put to our cases, and told where it differs."""
