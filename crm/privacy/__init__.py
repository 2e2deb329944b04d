"""What people may ask of whoever keeps data about them: to see it, and to have it gone."""
