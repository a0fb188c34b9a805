"""The demo hospital: invented patients, images made by the program, and the 3 AM case played through the real interfaces."""
