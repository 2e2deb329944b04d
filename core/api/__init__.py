"""What every endpoint of the REST API stands on: errors, bodies, pages, pushes and their description."""
