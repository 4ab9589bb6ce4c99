"""THE SERVER: JSON API and pages."""
