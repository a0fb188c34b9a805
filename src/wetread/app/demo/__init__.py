"""A small hospital to try the system with: images, people, orders and reports, all made here."""
