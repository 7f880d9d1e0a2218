"""What is measured of a release that serves: its log against its own dossier."""
