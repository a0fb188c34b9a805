"""The reading list: what waits to be read, in which order, and who has it. Nothing here is a status of its own: it is
derived from orders, images and reports each time."""
