"""Pictures of the console, for its documentation and for whoever judges its looks."""
