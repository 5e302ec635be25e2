"""Complete trainings on real data with the layers of manualnn."""
